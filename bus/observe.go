package bus

import (
	"strings"

	"shmbus/internal/members"
	"shmbus/internal/registry"
	"shmbus/internal/segment"
	"shmbus/ring"
	"shmbus/sysvshm"
)

// An Observer looks at a bus without being a client of it. The segment is attached read-only, so an
// observer cannot change the bus, and no client sees it. Its methods may be called by any
// goroutine.
type Observer struct {
	bus *Bus // a handle that has not joined
}

// Observe attaches read-only to the bus with the given name. It needs read permission only.
func Observe(name string, opts ...Option) (*Observer, error) {
	c := newConfig(opts)
	return await(c, "observe", name, c.named(name), func() (*Observer, error) {
		if err := CheckName(name); err != nil {
			return nil, &OpError{Op: "observe", Bus: name, Err: err}
		}
		seg, err := registry.Open(c.patience(), c.dirs, name, sysvshm.ReadOnly)
		return newObserver(name, seg, err)
	})
}

// ObserveKey attaches read-only to the bus with the given System V key.
func ObserveKey(key int32, opts ...Option) (*Observer, error) {
	return await(newConfig(opts), "observe", keyName(key), always, func() (*Observer, error) {
		seg, err := registry.OpenKey(key, sysvshm.ReadOnly)
		return newObserver(keyName(key), seg, err)
	})
}

func newObserver(name string, seg *segment.Segment, err error) (*Observer, error) {
	if err != nil {
		return nil, &OpError{Op: "observe", Bus: name, Err: explain(err)}
	}
	r, err := ring.New(seg.Mem, seg.Map)
	if err != nil {
		seg.Detach()
		return nil, &OpError{Op: "observe", Bus: name, Err: err}
	}
	if strings.HasPrefix(name, keyName0) {
		name = seg.Identity.Name
	}
	b := newHandle(seg, r, name)
	b.member = members.NewObserver(seg, r, registry.Present(seg, nil))
	return &Observer{b}, nil
}

// Name returns the name of the bus.
func (o *Observer) Name() string { return o.bus.name }

// UUID identifies this creation of the bus.
func (o *Observer) UUID() string { return o.bus.UUID() }

// Snapshot returns the state of the bus as it is now.
func (o *Observer) Snapshot() (Snapshot, error) { return o.bus.Snapshot() }

// Close closes the subscriptions of the observer, and detaches the segment. It may be called more
// than once.
func (o *Observer) Close() error { return o.bus.Close() }

// Snapshot returns the state of the bus as it is now.
func (b *Bus) Snapshot() (Snapshot, error) {
	if err := b.adopt(); err != nil {
		return Snapshot{}, b.fail("take a snapshot of", err)
	}
	defer b.unref()
	return snapshot(b.name, b.seg, b.ring), nil
}
