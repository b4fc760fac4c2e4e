//go:build linux

package misuse

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"shmbus/bus"
	"shmbus/internal/fence"
	"shmbus/internal/testproc"
)

const goroutines = 8

// A misuser is a process that uses a bus wrongly. What it has is shared by all its goroutines,
// which replace it now and then while others use it.
type misuser struct {
	key   int32
	id    int
	calls atomic.Uint64

	mu   sync.Mutex
	bus  *bus.Bus
	pub  *bus.Publisher
	sub  *bus.Subscription
	look *bus.Observer
	seen *bus.Subscription // of the observer
	kept []*bus.Reservation
	msgs []bus.Message // shared, also where they are received into
	raw  [][]byte      // shared, changed while it is published
}

// misuse misuses the bus until it is told to exit, and returns how many calls that were.
func misuse(c *testproc.Child, own *bus.Bus, j job) []uint64 {
	m := &misuser{key: j.Key, id: j.ID, bus: own, msgs: make([]bus.Message, 8), raw: slices.Repeat([][]byte{{1}}, 12)}
	m.renew(rand.New(rand.NewPCG(j.Seed, 2)))
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := uint64(0); c.Context().Err() == nil; i++ {
				// Each deed has a goroutine of its own, which may not come back from it.
				rnd := rand.New(rand.NewPCG(j.Seed+i, uint64(g)))
				deed := deeds[rnd.IntN(len(deeds))]
				var did sync.WaitGroup
				did.Add(1)
				go func() {
					defer did.Done()
					defer func() {
						if v := recover(); v != nil && v != errAnything {
							fmt.Fprintf(os.Stderr, "misuse: %s: %v\n", deed.name, v)
							os.Exit(1)
						}
					}()
					m.do(deed, rnd)
				}()
				did.Wait()
				m.calls.Add(1)
			}
		})
	}
	wg.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.kept {
		r.Abort()
	}
	if m.look != nil {
		must(m.look.Close())
	}
	must(m.bus.Close())
	return []uint64{m.calls.Load()}
}

// do does one deed. It takes as long as its context, whatever others do.
func (m *misuser) do(d deed, rnd *rand.Rand) {
	m.mu.Lock()
	v := victims{m: m, b: m.bus, p: m.pub, s: m.sub, o: m.look, seen: m.seen, rnd: rnd}
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rnd.IntN(5000))*time.Microsecond)
	defer cancel()
	stuck := time.AfterFunc(30*time.Second, func() {
		buf := make([]byte, 1<<20)
		fmt.Fprintf(os.Stderr, "misuse: %s does not end\n%s\n", d.name, buf[:runtime.Stack(buf, true)])
		os.Exit(1)
	})
	defer stuck.Stop()
	if rnd.IntN(16) == 0 {
		cancel()
	}
	if rnd.IntN(64) == 0 {
		ctx = nil
	}
	if v.p == nil || v.s == nil || v.seen == nil {
		m.renew(rnd)
		return
	}
	if err := d.f(v, ctx); err != nil && !errors.Is(err, bus.ErrBusy) && !known(err) {
		fmt.Fprintf(os.Stderr, "misuse: %s: %v\n", d.name, err)
		os.Exit(1)
	}
}

// known reports whether an error is one that misuse may have. Damage is not.
func known(err error) bool {
	for _, e := range []error{context.Canceled, context.DeadlineExceeded, bus.ErrClosed, bus.ErrInvalid, bus.ErrFull, bus.ErrEmpty, bus.ErrLost,
		bus.ErrEvicted, bus.ErrTooLarge, bus.ErrTableFull, bus.ErrTopic, errAnything} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// errAnything is what misusers panic with, and what their callbacks return.
var errAnything = errors.New("anything")

type victims struct {
	m    *misuser
	b    *bus.Bus
	p    *bus.Publisher
	s    *bus.Subscription
	o    *bus.Observer
	seen *bus.Subscription
	rnd  *rand.Rand
}

// renew replaces what is closed.
func (m *misuser) renew(rnd *rand.Rand) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.bus.Snapshot(); err != nil {
		b, err := bus.OpenKey(m.key)
		must(err)
		m.bus = b
	}
	var err error
	with := [][]bus.PublishOption{nil, {bus.NoWait()}, {bus.WithTime(), nil}, {bus.Wait(bus.Block)}}[rnd.IntN(4)]
	if m.pub, err = m.bus.Publisher(fmt.Sprintf("misuse.%d", m.id), with...); err != nil && !known(err) {
		must(err)
	}
	how := [][]bus.SubscribeOption{{bus.EvictAfter(20 * time.Millisecond)}, {bus.DemoteAfter(20 * time.Millisecond), nil}, {bus.Wait(bus.Block)}, nil}[rnd.IntN(4)]
	if m.sub, err = m.bus.Subscribe([]string{">", "misuse.>", "innocent.1"}[rnd.IntN(3)], how...); err != nil && !known(err) {
		must(err)
	}
	if m.look == nil || rnd.IntN(8) == 0 {
		if m.look != nil {
			m.look.Close()
		}
		m.look, err = bus.ObserveKey(m.key)
		must(err)
	}
	if m.seen, err = m.look.Subscribe(">"); err != nil && !known(err) {
		must(err)
	}
}

// value is a value that does as it is told while it is encoded.
type value func(b []byte) ([]byte, error)

func (v value) MarshalMsg(b []byte) ([]byte, error) { return v(b) }

// A context that is the misuser's own: it never says that it has ended, and panics after some
// calls.
type treacherous struct {
	context.Context
	left atomic.Int32
}

func (c *treacherous) Err() error {
	if c.left.Add(-1) < 0 {
		panic(errAnything)
	}
	return nil
}

// misbehave does, in code that the bus calls, what such code should not.
func (v victims) misbehave() error {
	switch v.rnd.IntN(9) {
	case 0:
		panic(errAnything)
	case 1:
		runtime.Goexit()
	case 2:
		v.p.PublishRaw(context.Background(), nil)
	case 3:
		v.p.Close()
	case 4:
		v.s.Close()
	case 5:
		_, err := v.s.TryNext()
		return err
	case 6:
		return errAnything
	case 7:
		r, err := v.p.Reserve(10)
		if err == nil {
			r.Abort()
		}
	}
	return nil
}

// size is mostly small.
func (v victims) size() int { return []int{1, 8, 40, 48, 49, 200, 1000, 3000}[v.rnd.IntN(8)] }

type deed struct {
	name string
	f    func(v victims, ctx context.Context) error
}

var deeds = []deed{
	{"publish a value", func(v victims, ctx context.Context) error {
		return v.p.Publish(ctx, []any{1, "two", nil, value(func(b []byte) ([]byte, error) { return append(b, make([]byte, v.size())...), v.misbehave() }),
			value(func([]byte) ([]byte, error) { return nil, nil }), make([]byte, v.size())}[v.rnd.IntN(6)])
	}},
	{"publish on the bus", func(v victims, ctx context.Context) error {
		return v.b.Publish(ctx, []string{"misuse.a", "misuse.b", "misuse.c", "mis..use", ""}[v.rnd.IntN(5)],
			value(func(b []byte) ([]byte, error) { return append(b, make([]byte, v.size())...), v.misbehave() }))
	}},
	{"publish bytes on the bus", func(v victims, ctx context.Context) error {
		return v.b.PublishRaw(ctx, fmt.Sprintf("misuse.t.%d", v.rnd.IntN(300)), make([]byte, v.size()))
	}},
	{"publish bytes", func(v victims, ctx context.Context) error { return v.p.PublishRaw(ctx, make([]byte, v.size())) }},
	{"publish nothing and too much", func(v victims, ctx context.Context) error {
		return v.p.PublishRaw(ctx, make([]byte, []int{0, 5000}[v.rnd.IntN(2)]))
	}},
	{"publish with a treacherous context", func(v victims, ctx context.Context) error {
		if ctx == nil {
			ctx = context.Background()
		}
		c := &treacherous{Context: ctx}
		c.left.Store(v.rnd.Int32N(4))
		switch v.rnd.IntN(3) {
		case 0:
			_, err := v.p.PublishBatch(c, [][]byte{{1}, make([]byte, 300), {2}})
			return err
		case 1:
			_, err := v.s.Next(c)
			return err
		}
		return v.p.PublishRaw(c, make([]byte, v.size()))
	}},
	{"publish a batch that changes", func(v victims, ctx context.Context) error {
		if !fence.RaceEnabled {
			v.m.raw[v.rnd.IntN(len(v.m.raw))] = big[:v.rnd.IntN(100)]
		}
		_, err := v.p.PublishBatch(ctx, v.m.raw)
		return err
	}},
	{"reserve and commit twice, at once", func(v victims, ctx context.Context) error {
		r, err := v.p.Reserve(v.size())
		if err != nil {
			return err
		}
		bytes := r.Bytes()
		_ = append(bytes, "more than there is room for"...)
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				if i == 2 {
					r.Abort()
					return
				}
				if err := r.Commit(ctx); err != nil && !known(err) {
					must(err)
				}
			})
		}
		wg.Wait()
		return nil
	}},
	{"reserve and keep", func(v victims, ctx context.Context) error {
		r, err := v.p.Reserve(v.size())
		if err != nil {
			return err
		}
		v.m.mu.Lock()
		defer v.m.mu.Unlock()
		v.m.kept = append(v.m.kept, r)
		if len(v.m.kept) > 20 {
			old := v.m.kept[v.rnd.IntN(20)]
			v.m.kept = slices.DeleteFunc(v.m.kept, func(r *bus.Reservation) bool { return r == old })
			if v.rnd.IntN(2) == 0 {
				go old.Commit(ctx) // or forget it
			}
		}
		return nil
	}},
	{"receive", func(v victims, ctx context.Context) error {
		m, err := v.s.Next(ctx)
		_ = append(m.Raw, 1, 2, 3)
		return err
	}},
	{"try to receive", func(v victims, ctx context.Context) error { _, err := v.s.TryNext(); return err }},
	{"receive into nothing", func(v victims, ctx context.Context) error { return v.s.Receive(ctx, nil) }},
	{"receive into what is there", func(v victims, ctx context.Context) error {
		var m bus.Message
		if err := v.s.Read(ctx, func(view bus.View) error { m = bus.Message(view); return nil }); err != nil {
			return err
		}
		return v.s.Receive(ctx, &m) // not into the view
	}},
	{"receive a batch", func(v victims, ctx context.Context) error {
		batch := make([]bus.Message, v.rnd.IntN(8))
		if !fence.RaceEnabled && v.rnd.IntN(4) == 0 {
			batch = v.m.msgs // which others receive into at the same time
		}
		_, err := v.s.ReceiveBatch(ctx, batch)
		return err
	}},
	{"read in place", func(v victims, ctx context.Context) error {
		s := []*bus.Subscription{v.s, v.seen}[v.rnd.IntN(2)]
		return s.Read(ctx, func(view bus.View) error {
			_ = append(view.Raw, "more than there is room for"...)
			if v.rnd.IntN(4) == 0 {
				time.Sleep(time.Duration(v.rnd.IntN(2000)) * time.Microsecond)
			}
			return v.misbehave()
		})
	}},
	{"read without a callback", func(v victims, ctx context.Context) error { return v.s.Read(ctx, nil) }},
	{"loop", func(v victims, ctx context.Context) error {
		for _, err := range v.s.All(ctx) {
			if err != nil {
				return err
			}
			if err := v.misbehave(); err != nil {
				return err
			}
		}
		return nil
	}},
	{"look", func(v victims, ctx context.Context) error {
		v.s.Stats()
		v.s.Lag()
		v.s.Position()
		v.seen.Lag()
		_, err := v.b.Snapshot()
		return err
	}},
	{"watch deaths", func(v victims, ctx context.Context) error {
		if _, err := v.b.Reap(); err != nil {
			return err
		}
		return v.b.WatchDeaths(ctx, nil)
	}},
	{"drop", func(v victims, ctx context.Context) error {
		_, err := v.b.Subscribe("misuse.a", bus.EvictAfter(time.Millisecond))
		if err != nil {
			return err
		}
		_, err = v.b.Publisher("misuse.a")
		if v.rnd.IntN(20) == 0 {
			runtime.GC()
		}
		return err
	}},
	{"close the publisher", func(v victims, ctx context.Context) error {
		defer v.m.renew(v.rnd)
		return errors.Join(v.p.Close(), v.p.Close())
	}},
	{"close the subscription", func(v victims, ctx context.Context) error {
		defer v.m.renew(v.rnd)
		return errors.Join(v.s.Close(), v.s.Close())
	}},
	{"close the bus", func(v victims, ctx context.Context) error {
		if v.rnd.IntN(8) > 0 {
			return nil
		}
		defer v.m.renew(v.rnd)
		return errors.Join(v.b.Close(), v.b.Close())
	}},
}

var big = make([]byte, 1000)
