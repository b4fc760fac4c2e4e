package bus

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"weak"

	"shmbus/internal/fault"
	"shmbus/internal/members"
	"shmbus/internal/registry"
	"shmbus/internal/segment"
	"shmbus/internal/topics"
	"shmbus/layout"
	"shmbus/ring"
	"shmbus/sysvshm"
)

// A Bus is an open handle to a bus: one client of it. Its methods may be called by any goroutine.
type Bus struct {
	seg    *segment.Segment
	ring   *ring.Ring
	topics *topics.Table
	member *members.Member
	name   string
	// The lock on the folder of a daemon: its presence check uses it, and after that unref. It is
	// nil for other clients.
	folder *registry.FolderLock

	mu     sync.Mutex
	closed bool
	users  map[*lease]func() user // publishers and subscriptions; nil if the program dropped it
	refs   int                    // users whose records are not given back yet, and the handle itself

	pool pool
}

// A user is a publisher or a subscription of the handle. The handle closes its users in two steps,
// so that one barrier is enough for all.
type user interface {
	shut() (barrier bool)
	settle()
}

// weakly returns u for as long as the program can reach it.
func weakly[T any, U interface {
	*T
	user
}](u *T) func() user {
	w := weak.Make(u)
	return func() user {
		if u := w.Value(); u != nil {
			return U(u)
		}
		return nil
	}
}

// Create makes a bus and opens it. The error is [ErrExists] if there is one of that name already.
func Create(name string, opts ...Option) (*Bus, error) {
	c := newConfig(opts)
	return openWith("create", name, c, c.creating(name))
}

// Open opens an existing bus. If there is none of that name, the error is a [*NotFoundError] that
// says which there are.
//
// With [WaitForBus] it waits for the bus. After the removal of a bus, calls on its handles return
// [ErrRemoved]. Close each handle then. To use the next bus of the name, open it, or let [Follow]
// do both.
func Open(name string, opts ...Option) (*Bus, error) {
	c := newConfig(opts)
	return await(c, "open", name, c.named(name), func() (*Bus, error) {
		return openWith("open", name, c, c.entering(func() (*segment.Segment, error) { return registry.Open(c.patience(), c.dirs, name, sysvshm.ReadWrite) }))
	})
}

// OpenOrCreate opens the bus, and creates it if there is none. It reports whether it created the
// bus. The sizes of an existing bus stay as they are; with [WithExactSizes] the call fails if they
// differ from those asked for.
func OpenOrCreate(name string, opts ...Option) (*Bus, bool, error) {
	opts = append(slices.Clone(opts), func(c *config) { c.awaits = false })
	for {
		b, err := Open(name, opts...)
		if !isAbsent(err) {
			return b, false, err
		}
		b, err = Create(name, opts...)
		if !errors.Is(err, ErrExists) {
			return b, err == nil, err
		}
	}
}

// OpenKey opens the bus with the given System V key, as ipcs shows it.
func OpenKey(key int32, opts ...Option) (*Bus, error) {
	c := newConfig(opts)
	return await(c, "open", keyName(key), always, func() (*Bus, error) {
		return openWith("open", keyName(key), c, c.entering(func() (*segment.Segment, error) { return registry.OpenKey(key, sysvshm.ReadWrite) }))
	})
}

// keyName stands in errors for the unknown name of a bus opened by key. It is not a valid name.
func keyName(key int32) string { return fmt.Sprintf("%s%#x", keyName0, uint32(key)) }

const keyName0 = "key "

// creating returns a function that creates a bus and joins it.
func (c config) creating(name string) func() (*segment.Segment, layout.Owner, error) {
	return func() (*segment.Segment, layout.Owner, error) {
		var me layout.Owner
		seg, err := registry.Create(c.dirs[0], name, c.Spec, func(seg *segment.Segment) (undo func(), err error) {
			me, err = members.Join(seg, c.profile())
			return func() { members.Leave(seg, me) }, err
		})
		return seg, me, err
	}
}

// entering returns a function that attaches to an existing bus and joins it. If the bus was removed
// between the two, the function tries again, because there may be another bus of that name.
func (c config) entering(attach func() (*segment.Segment, error)) func() (*segment.Segment, layout.Owner, error) {
	return func() (*segment.Segment, layout.Owner, error) {
		for {
			seg, err := attach()
			if err != nil {
				return nil, 0, err
			}
			seg.Asked = c.asked
			if err = c.checkSizes(seg.Map.Geometry); err == nil {
				var me layout.Owner
				if me, err = members.Join(seg, c.profile()); err == nil {
					return seg, me, nil
				}
				err = explainFull(seg, err)
			}
			seg.Detach()
			if !errors.Is(err, ErrRemoved) {
				return nil, 0, err
			}
		}
	}
}

func openWith(op, name string, c config, enter func() (*segment.Segment, layout.Owner, error)) (*Bus, error) {
	fail := func(err error) (*Bus, error) { return nil, &OpError{Op: op, Bus: name, Err: explain(err)} }
	if err := CheckName(name); err != nil && !strings.HasPrefix(name, keyName0) {
		return fail(err)
	}
	seg, me, err := enter()
	if err != nil {
		return fail(err)
	}
	seg.Asked = c.asked
	r, err := ring.New(seg.Mem, seg.Map)
	if err != nil {
		members.Leave(seg, me)
		seg.Detach()
		return fail(err)
	}
	if strings.HasPrefix(name, keyName0) {
		name = seg.Identity.Name
	}
	b := newHandle(seg, r, name)
	if c.daemon && seg.Path != "" {
		b.folder = new(registry.FolderLock)
	}
	b.member = members.New(seg, r, me, registry.Present(seg, b.folder))
	b.pool.init(b)
	return b, nil
}

// newHandle returns a handle whose member the caller sets.
func newHandle(seg *segment.Segment, r *ring.Ring, name string) *Bus {
	return &Bus{
		seg: seg, ring: r, topics: topics.NewTable(seg), name: name,
		users: make(map[*lease]func() user), refs: 1,
	}
}

// profile returns what the record of this client says about it.
func (c config) profile() members.Profile {
	return members.Profile{Name: c.client, Daemon: c.daemon}
}

// Name returns the name of the bus.
func (b *Bus) Name() string { return b.name }

// Sizes returns the sizes that were fixed when the bus was created.
func (b *Bus) Sizes() Sizes { return sizesOf(b.seg.Map) }

// UUID identifies this creation of the bus: positions are those of one UUID.
func (b *Bus) UUID() string { return b.seg.Identity.UUID.String() }

// Key returns the System V key of segment and semaphore set.
func (b *Bus) Key() int32 { return b.seg.Identity.Key }

// ShmID returns the identifier of the segment.
func (b *Bus) ShmID() int { return b.seg.Shm.ID() }

// SemID returns the identifier of the semaphore set.
func (b *Bus) SemID() int { return b.seg.Set.ID() }

// Created returns when the bus was created.
func (b *Bus) Created() time.Time { return time.Unix(0, b.seg.Identity.Created) }

// Close closes the publishers and subscriptions of the handle, ends their calls that wait, and
// leaves the bus, which continues without this client. It may be called more than once.
//
// A callback in progress or an outstanding reservation keeps its record and the mapped memory until
// it ends.
func (b *Bus) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	if b.seg.Removed() {
		b.seg.Lost.Store(true) // lend asks after the segment is detached
	}
	var users []user
	var dropped []*lease
	for l, reach := range b.users {
		if u := reach(); u != nil {
			users = append(users, u)
		} else {
			dropped = append(dropped, l)
		}
	}
	b.mu.Unlock()

	b.member.Stop()
	b.pool.close()
	apart := false
	for _, u := range users {
		apart = u.shut() || apart
	}
	if apart {
		barrier()
	}
	for _, u := range users {
		u.settle()
	}
	for _, l := range dropped {
		l.end()
	}
	b.member.Wait()
	return b.unref()
}

// adopt counts a new publisher or subscription. It fails when the handle is closed.
func (b *Bus) adopt() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrClosed
	}
	b.refs++
	return nil
}

// enrol makes Close of the handle close the lease's user, too.
func (b *Bus) enrol(l *lease, reach func() user) {
	b.mu.Lock()
	b.users[l] = reach
	late := b.closed
	b.mu.Unlock()
	if u := reach(); late && u != nil {
		if u.shut() {
			barrier()
		}
		u.settle()
	}
}

// dismiss undoes enrol and adopt, when a lease ends.
func (b *Bus) dismiss(l *lease) {
	b.mu.Lock()
	delete(b.users, l)
	b.mu.Unlock()
	b.unref()
}

// unref drops one reference. The last one leaves the bus and detaches the memory.
func (b *Bus) unref() (err error) {
	b.mu.Lock()
	b.refs--
	last := b.refs == 0
	b.mu.Unlock()
	if last {
		if !b.seg.ReadOnly() {
			err = members.Leave(b.seg, b.member.Owner)
		}
		b.seg.Detach()
		if b.folder != nil {
			b.folder.Release()
		}
		fault.At(fault.LeaveDetach)
	}
	return err
}
