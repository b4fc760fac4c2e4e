package bus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/internal/fence"
	"shmbus/internal/inspect"
	"shmbus/internal/segment"
	"shmbus/sysvshm"
)

// balanced checks that every slot of the bus is in exactly one place.
func balanced(t *testing.T, b *Bus) {
	t.Helper()
	books := b.ring.Audit()
	require.True(t, books.Balanced(), "%+v", books)
}

// Goroutines share one publisher, by every call it has, and one subscription: each message arrives
// once, whole, those of each goroutine in their order where one goroutine receives.
func TestManyGoroutinesShare(t *testing.T) {
	for _, receivers := range []int{1, 4} {
		t.Run(fmt.Sprintf("receivers=%d", receivers), func(t *testing.T) {
			const goroutines, each = 8, 2000
			b := newBus(t, WithSlots(64), WithSlotSize(64))
			ctx := soon(t)
			p, s := publisher(t, b, "a"), subscribe(t, b, "a", Reliable())
			frame := func(g, n int) []byte {
				f := make([]byte, []int{12, 40, 48, 200}[n%4])
				binary.LittleEndian.PutUint32(f, uint32(g))
				binary.LittleEndian.PutUint64(f[4:], uint64(n))
				return f
			}
			ways := []func(f []byte) error{
				func(f []byte) error { return p.PublishRaw(ctx, f) },
				func(f []byte) error { return p.Publish(ctx, rawMarshaler(f)) },
				func(f []byte) error { _, err := p.PublishBatch(ctx, [][]byte{f}); return err },
				func(f []byte) error {
					r, err := p.Reserve(len(f))
					if err == nil {
						copy(r.Bytes(), f)
						err = r.Commit(ctx)
					}
					return err
				},
				func(f []byte) error { return b.PublishRaw(ctx, "a", f) },
			}
			var sending, receiving sync.WaitGroup
			for g := range goroutines {
				sending.Go(func() {
					for n := range each {
						if err := ways[(g+n)%len(ways)](frame(g, n)); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			var mu sync.Mutex
			next := make([]uint64, goroutines)
			total := 0
			take := func(raw []byte) {
				mu.Lock()
				defer mu.Unlock()
				g, n := binary.LittleEndian.Uint32(raw), binary.LittleEndian.Uint64(raw[4:])
				if receivers == 1 && n != next[g] {
					t.Errorf("message %d of goroutine %d where %d was due", n, g, next[g])
				}
				next[g]++
				total++
			}
			receive, enough := context.WithCancel(ctx)
			for r := range receivers {
				receiving.Go(func() {
					var m Message
					batch := make([]Message, 5)
					for way := r; ; way++ {
						var err error
						n := 0
						switch way % 4 {
						case 0:
							err = s.Receive(receive, &m)
							if err == nil {
								take(m.Raw)
							}
						case 1:
							m, err := s.TryNext()
							if err == nil {
								take(m.Raw)
							}
						case 2:
							n, err = s.ReceiveBatch(receive, batch)
							for _, m := range batch[:n] {
								take(m.Raw)
							}
						case 3:
							err = s.Read(receive, func(v View) error { take(v.Raw); return nil })
						}
						if err != nil {
							if receive.Err() == nil {
								t.Error(err)
							}
							return
						}
						s.Stats()
						s.Lag()
						s.Position()
					}
				})
			}
			sending.Wait()
			eventually(t, "all received", func() bool { mu.Lock(); defer mu.Unlock(); return total == goroutines*each })
			enough()
			receiving.Wait()
			for g, n := range next {
				require.Equal(t, uint64(each), n, g)
			}
			require.Equal(t, uint64(goroutines*each), s.Stats().Received)
			balanced(t, b)
		})
	}
}

// A call waits for its turn no longer than its context, however long the one before it waits; Close
// ends them all.
func TestTurnsEndWithTheirContexts(t *testing.T) {
	b := newBus(t, WithSlots(64))
	hold := subscribe(t, b, "a", Reliable())
	p, s := publisher(t, b, "a"), subscribe(t, b, "b")
	for range 64 {
		require.NoError(t, p.PublishRaw(soon(t), []byte{1}))
	}
	for name, tt := range map[string]struct {
		call  func(ctx context.Context) error
		close func() error
	}{
		"publisher":    {func(ctx context.Context) error { return p.PublishRaw(ctx, []byte{1}) }, p.Close},
		"subscription": {func(ctx context.Context) error { _, err := s.Next(ctx); return err }, s.Close},
	} {
		t.Run(name, func(t *testing.T) {
			errs := make(chan error, 20)
			for range 10 {
				go func() { errs <- tt.call(context.Background()) }()
			}
			time.Sleep(10 * time.Millisecond)
			short, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer cancel()
			require.ErrorIs(t, tt.call(short), context.DeadlineExceeded)
			if name == "subscription" {
				_, err := s.TryNext()
				require.ErrorIs(t, err, ErrEmpty, "it does not wait behind who waits")
			}
			require.Empty(t, errs)
			require.NoError(t, tt.close())
			for range 10 {
				require.ErrorIs(t, <-errs, ErrClosed)
			}
		})
	}
	require.NoError(t, hold.Close())
}

// Who comes first has the first turn.
func TestTurnsAreInOrder(t *testing.T) {
	b := newBus(t)
	p, s := publisher(t, b, "a"), subscribe(t, b, "a")
	var order []byte
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			m, err := s.Next(soon(t))
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			order = append(order, byte(i), m.Raw[0])
			mu.Unlock()
		})
		eventually(t, "queued", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.turns.waiters.Len() == i && atomic.LoadUint64(&s.busy) == 1
		})
	}
	for i := range 20 {
		require.NoError(t, p.PublishRaw(soon(t), []byte{byte(i)}))
	}
	wg.Wait()
	for i := 0; i < len(order); i += 2 {
		require.Equal(t, order[i], order[i+1], "%v", order)
	}
}

// panicky is a value whose encoder does what it is told to.
type panicky func()

func (f panicky) MarshalMsg(b []byte) ([]byte, error) {
	f()
	return append(b, 1), nil
}

// oddContext is a context whose methods panic when they are told to.
type oddContext struct {
	context.Context
	panics atomic.Int32 // after so many calls
}

func (c *oddContext) Err() error {
	if c.panics.Add(-1) < 0 {
		panic("Err")
	}
	return nil
}

// doneContext is a context whose Done panics after so many calls.
type doneContext struct {
	context.Context
	calls atomic.Int32
}

func (c *doneContext) Done() <-chan struct{} {
	if c.calls.Add(-1) < 0 {
		panic("Done")
	}
	return c.Context.Done()
}

func panicsDone(ctx context.Context, calls int32) context.Context {
	c := &doneContext{Context: ctx}
	c.calls.Store(calls)
	return c
}

// aside runs f in a goroutine of its own, which may end as it likes.
func aside(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { recover() }()
		f()
	}()
	<-done
}

// A context that panics where a call would wait for its turn, for a record or for a message leaves
// no seat in a line, and nobody marked as asleep.
func TestContextsThatPanicLeaveNoSeat(t *testing.T) {
	t.Run("turn", func(t *testing.T) {
		b := newBus(t)
		ctx := soon(t)
		p, s := publisher(t, b, "a"), subscribe(t, b, "a")
		require.NoError(t, p.PublishRaw(ctx, []byte{1}))
		require.NoError(t, s.Read(ctx, func(View) error {
			aside(func() { s.Next(panicsDone(ctx, 0)) })
			return nil
		}))
		require.NoError(t, p.PublishRaw(ctx, []byte{2}))
		m, err := s.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, []byte{2}, m.Raw)
	})
	t.Run("record", func(t *testing.T) {
		b := newBus(t, WithPublishers(poolShare), WithSlots(64)) // one record for the pool
		ctx := soon(t)
		s := subscribe(t, b, "a", Reliable())
		for range 64 {
			require.NoError(t, b.PublishRaw(ctx, "a", []byte{1}))
		}
		first := make(chan error)
		go func() { first <- b.PublishRaw(ctx, "a", []byte{2}) }() // waits for room, and has the record
		eventually(t, "the record is in use", func() bool {
			b.pool.mu.Lock()
			defer b.pool.mu.Unlock()
			return len(b.pool.idle) == 0
		})
		aside(func() { b.PublishRaw(panicsDone(ctx, 0), "a", []byte{3}) })
		for range 8 {
			_, err := s.Next(ctx)
			require.NoError(t, err)
		}
		require.NoError(t, <-first)
		require.NoError(t, b.PublishRaw(ctx, "a", []byte{4}))
	})
	for calls := range int32(3) {
		t.Run(fmt.Sprint("sleep, call ", calls), func(t *testing.T) {
			b := newBus(t, WithSlots(64))
			ctx := soon(t)
			full, s := publisher(t, b, "b", NoWait()), subscribe(t, b, "a", Reliable(), Wait(Block))
			ends, cancel := context.WithCancel(ctx)
			time.AfterFunc(10*time.Millisecond, cancel)
			aside(func() { s.Next(panicsDone(ends, calls)) })
			n := 0
			for full.PublishRaw(ctx, []byte{1}) == nil && n < 1000 {
				n++
			}
			require.Equal(t, 64, n, "nobody is moved on who does not sleep")
			_, err := s.TryNext()
			require.ErrorIs(t, err, ErrEmpty)
		})
	}
}

// Code of the caller's that panics or leaves its goroutine, and arguments that are nil, leave
// nothing held: the next call goes on, and Close returns.
func TestPanicsHoldNothing(t *testing.T) {
	for _, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			b := newBus(t, WithSlots(64))
			ctx := soon(t)
			p, s := publisher(t, b, "a", form.publish...), subscribe(t, b, "a", append(form.receive, Reliable())...)
			for name, misuse := range map[string]func(){
				"encoder panics":            func() { p.Publish(ctx, panicky(func() { panic(1) })) },
				"encoder leaves":            func() { p.Publish(ctx, panicky(runtime.Goexit)) },
				"encoder of the bus panics": func() { b.Publish(ctx, "a", panicky(func() { panic(1) })) },
				"callback panics": func() {
					require.NoError(t, p.PublishRaw(ctx, []byte{1}))
					s.Read(ctx, func(View) error { panic(1) })
				},
				"callback leaves": func() { p.PublishRaw(ctx, []byte{1}); s.Read(ctx, func(View) error { runtime.Goexit(); return nil }) },
				"loop panics": func() {
					p.PublishRaw(ctx, []byte{1})
					for range s.All(ctx) {
						panic(1)
					}
				},
				"nil callback": func() { s.Read(ctx, nil) },
				"nil message":  func() { s.Receive(ctx, nil) },
				"nil value":    func() { p.Publish(ctx, (*number16)(nil)) },
				"nil frame":    func() { p.PublishRaw(ctx, nil) },
				"odd context":  func() { p.PublishRaw(&oddContext{Context: ctx}, []byte{1}) },
				"odd context, batch": func() {
					c := &oddContext{Context: ctx}
					c.panics.Store(1)
					p.PublishBatch(c, [][]byte{{1}, make([]byte, 300)})
				},
				"odd context, receives": func() {
					c := &oddContext{Context: ctx}
					if form.publish == nil {
						c.panics.Store(1) // after the first look, when it waits
					}
					s.Next(c)
				},
				"append to a view": func() {
					require.NoError(t, p.PublishRaw(ctx, []byte{1}))
					s.Read(ctx, func(v View) error { _ = append(v.Raw, 1, 2, 3, 4, 5, 6, 7, 8, 9); return nil })
				},
			} {
				t.Run(name, func(t *testing.T) {
					aside(misuse)
					for err := error(nil); err == nil; _, err = s.TryNext() {
					}
					require.NoError(t, p.Publish(ctx, 7))
					var v int
					_, err := ReceiveInto(ctx, s, &v)
					require.NoError(t, err)
					require.Equal(t, 7, v)
				})
			}
			require.NoError(t, p.Close())
			require.NoError(t, s.Close())
			balanced(t, b)
			snap, err := b.Snapshot()
			require.NoError(t, err)
			require.Empty(t, snap.Subscribers)
			eventually(t, "records are given back", func() bool {
				snap, err := b.Snapshot()
				require.NoError(t, err)
				return len(snap.Publishers) <= 1 // of Publish without a Publisher
			})
		})
	}
}

// Every call that takes a context looks at it, whatever is there; one that is nil is an error.
func TestContextsAreObeyed(t *testing.T) {
	b := newBus(t)
	p, s := publisher(t, b, "a"), subscribe(t, b, "a")
	batch := make([]Message, 2)
	calls := map[string]func(ctx context.Context) error{
		"Publish":        func(ctx context.Context) error { return p.Publish(ctx, 1) },
		"PublishRaw":     func(ctx context.Context) error { return p.PublishRaw(ctx, []byte{1}) },
		"PublishBatch":   func(ctx context.Context) error { _, err := p.PublishBatch(ctx, [][]byte{{1}}); return err },
		"Commit":         func(ctx context.Context) error { r, err := p.Reserve(1); require.NoError(t, err); return r.Commit(ctx) },
		"Bus.Publish":    func(ctx context.Context) error { return b.Publish(ctx, "a", 1) },
		"Bus.PublishRaw": func(ctx context.Context) error { return b.PublishRaw(ctx, "a", []byte{1}) },
		"Next":           func(ctx context.Context) error { _, err := s.Next(ctx); return err },
		"Receive":        func(ctx context.Context) error { return s.Receive(ctx, &batch[0]) },
		"ReceiveBatch":   func(ctx context.Context) error { _, err := s.ReceiveBatch(ctx, batch); return err },
		"Read":           func(ctx context.Context) error { return s.Read(ctx, func(View) error { return nil }) },
		"All": func(ctx context.Context) error {
			for _, err := range s.All(ctx) {
				return errors.Join(err, io.EOF)
			}
			return ctx.Err()
		},
	}
	require.NoError(t, p.Publish(soon(t), 1))
	for name, call := range calls {
		require.ErrorIs(t, call(cancelled()), context.Canceled, name)
		require.ErrorIs(t, call(nil), ErrInvalid, name)
	}
	require.Equal(t, uint64(1), s.Lag(), "nothing was published or received")

	// The exclusive form looks at the latest at the 64th message.
	q, r := publisher(t, b, "a", Exclusive()), subscribe(t, b, "a", Exclusive())
	for range 64 {
		require.NoError(t, p.Publish(soon(t), 1))
	}
	for name, call := range map[string]func() error{
		"PublishRaw": func() error { return q.PublishRaw(cancelled(), []byte{1}) },
		"Publish":    func() error { return q.Publish(cancelled(), 1) },
		"Receive":    func() error { return r.Receive(cancelled(), &batch[0]) },
	} {
		n := 0
		for ; call() == nil; n++ {
			require.Less(t, n, 64, name)
		}
	}
}

// A batch is given up between its messages.
func TestBatchObeysContextAndClose(t *testing.T) {
	for _, form := range forms {
		b := newBus(t)
		p := publisher(t, b, "a", form.publish...)
		frames := make([][]byte, 1<<20)
		for i := range frames {
			frames[i] = []byte{1}
		}
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Millisecond, cancel)
		n, err := p.PublishBatch(ctx, frames)
		require.ErrorIs(t, err, context.Canceled)
		require.Less(t, n, len(frames))
		time.AfterFunc(time.Millisecond, func() { p.Close() })
		n, err = p.PublishBatch(context.Background(), frames)
		require.ErrorIs(t, err, ErrClosed)
		require.Less(t, n, len(frames))
		balanced(t, b)
	}
}

// What is received is the caller's.
func TestReceivedMemoryIsTheCallers(t *testing.T) {
	b := newBus(t, WithSlotSize(64))
	ctx := soon(t)
	p, s := publisher(t, b, "a"), subscribe(t, b, "a")
	sizes := []int{10, 200, 3, 48, 1000}
	var all [][]byte
	var m Message
	batch := make([]Message, 3)
	for i := range 60 {
		require.NoError(t, p.PublishRaw(ctx, contents(sizes[i%len(sizes)], i)))
		var raw []byte
		switch i % 4 {
		case 0:
			m, err := s.Next(ctx)
			require.NoError(t, err)
			raw = m.Raw
		case 1:
			m, err := s.TryNext()
			require.NoError(t, err)
			raw = m.Raw
		case 2:
			m = Message{}
			require.NoError(t, s.Receive(ctx, &m))
			raw = m.Raw
		case 3:
			clear(batch)
			n, err := s.ReceiveBatch(ctx, batch)
			require.NoError(t, err)
			require.Equal(t, 1, n)
			raw = batch[0].Raw
		}
		all = append(all, raw)
		_ = append(raw, 1, 2, 3)
	}
	for i, raw := range all {
		require.Equal(t, contents(sizes[i%len(sizes)], i), raw)
	}

	// The capacity that a message brings is used.
	kept := make([]byte, 0, 1000)
	for _, size := range sizes {
		require.NoError(t, p.PublishRaw(ctx, contents(size, 0)))
		m.Raw = kept
		require.NoError(t, s.Receive(ctx, &m))
		require.Equal(t, contents(size, 0), m.Raw)
		require.True(t, segment.SameStart(kept, m.Raw), size)
	}

	// But not that of a view which was kept: it is others' memory by now.
	require.NoError(t, p.PublishRaw(ctx, contents(40, 1)))
	require.NoError(t, s.Read(ctx, func(v View) error { m = Message(v); return nil }))
	require.Equal(t, len(m.Raw), cap(m.Raw))
	require.NoError(t, p.PublishRaw(ctx, contents(40, 2)))
	view := m.Raw
	require.NoError(t, s.Receive(ctx, &m))
	require.Equal(t, contents(40, 2), m.Raw)
	if !fence.RaceEnabled { // there a view is a copy
		require.Equal(t, contents(40, 1), view)
	}
}

// A view that is received into, by another handle as well, is not written to.
func TestViewIsNotReceivedInto(t *testing.T) {
	b := newBus(t, WithSlots(64))
	h, o := reopen(t, b), observe(t, b)
	ctx := soon(t)
	p, s, other, third := publisher(t, b, "a"), subscribe(t, b, "a"), subscribe(t, h, "a"), subscribe(t, b, "a")
	seen, err := o.Subscribe("a")
	require.NoError(t, err)
	for _, v := range []string{"1st", "2nd", "3rd"} {
		require.NoError(t, p.PublishRaw(ctx, []byte(v)))
	}
	for _, from := range []*Subscription{s, other, seen} {
		_, err := from.Next(ctx)
		require.NoError(t, err)
	}
	for _, from := range []*Subscription{s, seen} {
		require.NoError(t, from.Read(ctx, func(v View) error { m := Message(v); return other.Receive(ctx, &m) }))
	}
	for _, v := range []string{"1st", "2nd", "3rd"} {
		m, err := third.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, v, string(m.Raw))
	}
}

// No slice of the bus's memory has room behind its end, with which append would write to it.
func TestNoCapacityBehindSharedMemory(t *testing.T) {
	b := newBus(t)
	o, err := Observe(b.Name(), WithDir(filepath.Dir(b.seg.Path)))
	require.NoError(t, err)
	defer o.Close()
	ctx := soon(t)
	for _, form := range forms {
		for _, size := range []int{1, 40, 200, 232, 240, 1000} {
			for _, timed := range []bool{false, true} {
				opts := form.publish
				if timed {
					opts = append([]PublishOption{WithTime()}, opts...)
				}
				p := publisher(t, b, "a", opts...)
				s := subscribe(t, b, "a", form.receive...)
				passive, err := o.Subscribe("a", append(form.receive, FromNow())...)
				require.NoError(t, err)
				r, err := p.Reserve(size)
				require.NoError(t, err)
				require.Equal(t, size, cap(r.Bytes()))
				require.NoError(t, r.Commit(ctx))
				for _, s := range []*Subscription{s, passive} {
					require.NoError(t, s.Read(ctx, func(v View) error {
						require.Len(t, v.Raw, size)
						if segment.Mapped(v.Raw) {
							require.Equal(t, size, cap(v.Raw))
						}
						_ = append(v.Raw, "it is not mine"...)
						return nil
					}))
					require.NoError(t, s.Close())
				}
				require.NoError(t, p.Close())
			}
		}
	}
	balanced(t, b)
}

// Calls from within a callback do not wait for themselves; others wait until it returns.
func TestCallsFromWithinACallback(t *testing.T) {
	for _, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			b := newBus(t)
			ctx := soon(t)
			p, s := publisher(t, b, "a", form.publish...), subscribe(t, b, "a", form.receive...)
			require.NoError(t, p.PublishRaw(ctx, []byte{1}))
			require.NoError(t, p.PublishRaw(ctx, []byte{2}))
			other := make(chan error, 1)
			require.NoError(t, s.Read(ctx, func(v View) error {
				_, err := s.Next(context.Background())
				require.ErrorIs(t, err, ErrBusy)
				_, err = s.TryNext()
				require.ErrorIs(t, err, ErrBusy)
				_, err = s.ReceiveBatch(context.Background(), make([]Message, 1))
				require.ErrorIs(t, err, ErrBusy)
				require.ErrorIs(t, s.Read(context.Background(), nil), ErrBusy)
				require.NoError(t, p.PublishRaw(ctx, []byte{3}), "publishing is another thing")
				require.NotZero(t, s.Lag())
				if form.publish == nil {
					go func() { m, err := s.Next(ctx); other <- errors.Join(err, is(m.Raw, 2)) }()
					short, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
					defer cancel()
					done := make(chan error)
					go func() { _, err := s.Next(short); done <- err }()
					require.ErrorIs(t, <-done, context.DeadlineExceeded)
					require.Empty(t, other)
				}
				return nil
			}))
			if form.publish == nil {
				require.NoError(t, <-other)
			}
			require.NoError(t, p.PublishRaw(ctx, []byte{4}))
			require.NoError(t, s.Read(ctx, func(View) error { return s.Close() }))
			_, err := s.Next(ctx)
			require.ErrorIs(t, err, ErrClosed)
			eventually(t, "given back", func() bool { snap, _ := b.Snapshot(); return len(snap.Subscribers) == 0 })

			// A value that publishes while it is encoded: the exclusive form finds its slot gone.
			err = p.Publish(ctx, panicky(func() { require.NoError(t, p.Publish(ctx, 1)) }))
			if form.publish == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, ErrBusy)
			}
			balanced(t, b)
		})
	}
}

func is(raw []byte, b byte) error {
	if len(raw) != 1 || raw[0] != b {
		return fmt.Errorf("got %v instead of %d", raw, b)
	}
	return nil
}

// Reservations do not hold the publisher, may be many, end once, by any goroutine or by the garbage
// collector.
func TestReservationsApart(t *testing.T) {
	b := newBus(t, WithSlots(64), WithPublishers(16))
	ctx := soon(t)
	p, s := publisher(t, b, "a"), subscribe(t, b, "a")
	var all []*Reservation
	for i := range 40 { // more than there are records: the rest is in buffers
		r, err := p.Reserve(20)
		require.NoError(t, err)
		copy(r.Bytes(), fmt.Sprintf("reservation %08d", i))
		all = append(all, r)
		require.NoError(t, p.PublishRaw(ctx, []byte{byte(i)}))
	}
	snap, err := b.Snapshot()
	require.NoError(t, err)
	require.Len(t, snap.Publishers, 1+4, "a quarter of the table for reservations")
	for i := range 40 {
		m, err := s.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, []byte{byte(i)}, m.Raw, "reservations are not in the way")
	}
	var wg sync.WaitGroup
	var committed atomic.Int32
	for _, r := range all {
		for range 3 {
			wg.Go(func() {
				switch err := r.Commit(ctx); {
				case err == nil:
					committed.Add(1)
				case !errors.Is(err, ErrClosed):
					t.Error(err)
				}
				r.Abort()
			})
		}
	}
	wg.Wait()
	require.Equal(t, int32(40), committed.Load())
	seen := map[string]bool{}
	for range 40 {
		m, err := s.Next(ctx)
		require.NoError(t, err)
		seen[string(m.Raw)] = true
	}
	require.Len(t, seen, 40)
	_, err = s.TryNext()
	require.ErrorIs(t, err, ErrEmpty)

	all = nil
	for range 10 {
		_, err := p.Reserve(20) // and forgets it
		require.NoError(t, err)
	}
	eventually(t, "forgotten ones are aborted", func() bool {
		runtime.GC()
		b.pool.mu.Lock()
		defer b.pool.mu.Unlock()
		return b.pool.lent == 0
	})
	balanced(t, b)

	// One that outlives the handle keeps its memory.
	h := reopen(t, b)
	q := publisher(t, h, "a")
	r, err := q.Reserve(20)
	require.NoError(t, err)
	require.NoError(t, h.Close())
	r.Bytes()[0] = 1
	require.ErrorIs(t, r.Commit(ctx), ErrClosed)
	eventually(t, "detached", func() bool {
		st, err := sysvshm.FromID(b.ShmID()).Stat()
		require.NoError(t, err)
		return st.Attached == 1
	})
}

// A publisher or subscription that the program drops is closed.
func TestDroppedIsClosed(t *testing.T) {
	b := newBus(t, WithSlots(64))
	for _, form := range forms {
		for range 5 {
			_, err := b.Subscribe("a", append(form.receive, Reliable())...)
			require.NoError(t, err)
			_, err = b.Publisher("a", form.publish...)
			require.NoError(t, err)
		}
	}
	eventually(t, "given back", func() bool {
		runtime.GC()
		snap, err := b.Snapshot()
		require.NoError(t, err)
		return len(snap.Publishers)+len(snap.Subscribers) == 0
	})
	// Closing the handle does not wait for the garbage collector.
	h := reopen(t, b)
	_, err := h.Subscribe("a", Reliable())
	require.NoError(t, err)
	runtime.GC()
	require.NoError(t, h.Close())
	snap, err := b.Snapshot()
	require.NoError(t, err)
	require.Empty(t, snap.Subscribers)
	require.Len(t, snap.Clients, 1)
}

// Publishing without a Publisher takes as many records as there are goroutines, for any number of
// topics, and gives them back.
func TestBusPublish(t *testing.T) {
	const goroutines, topics = 16, 500
	each := 3000
	if testing.Short() {
		each = 100
	}
	b := newBus(t, WithTopics(topics+1), WithSlots(1<<16), WithSlotSize(64))
	s := subscribe(t, b, ">", Reliable())
	quiet := subscribe(t, b, "t.7", Reliable(), Wait(Block))
	ctx := soon(t)
	var wg sync.WaitGroup
	most := 0
	for g := range goroutines {
		wg.Go(func() {
			for n := range each {
				topic := fmt.Sprintf("t.%d", (g*131+n*7)%topics)
				if err := b.Publish(ctx, topic, []int{g, n}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Go(func() {
		for range 100 {
			snap, err := b.Snapshot()
			if err != nil {
				t.Error(err)
				return
			}
			most = max(most, len(snap.Publishers))
		}
	})
	next := [goroutines]int{}
	want := 0
	for n, m := range count(s.All(ctx)) {
		var v [2]int
		require.NoError(t, m.Decode(&v))
		require.Equal(t, next[v[0]], v[1], "a goroutine's messages keep their order")
		require.Equal(t, fmt.Sprintf("t.%d", (v[0]*131+v[1]*7)%topics), m.Topic)
		next[v[0]]++
		if m.Topic == "t.7" {
			want++
		}
		if n == goroutines*each {
			break
		}
	}
	wg.Wait()
	require.LessOrEqual(t, most, 16)
	for range want {
		_, err := quiet.Next(ctx)
		require.NoError(t, err)
	}
	eventually(t, "given back", func() bool { snap, _ := b.Snapshot(); return len(snap.Publishers) == 0 })
	snap, err := b.Snapshot()
	require.NoError(t, err)
	sum := uint64(0)
	for _, topic := range snap.Topics {
		sum += topic.Messages
	}
	require.Equal(t, uint64(goroutines*each), sum, "counts are those of the topics")
	balanced(t, b)
	ctx = soon(t) // the time of the other is for what takes some
	require.ErrorIs(t, b.Publish(ctx, "a..b", 1), ErrTopic)
	require.ErrorIs(t, b.PublishRaw(ctx, "a", nil), ErrInvalid)
	require.ErrorIs(t, b.PublishRaw(ctx, "a", make([]byte, 1<<30)), ErrTooLarge)
}

// count numbers messages from 1 on, and ends at an error.
func count(all func(func(Message, error) bool)) func(func(int, Message) bool) {
	return func(yield func(int, Message) bool) {
		n := 0
		for m, err := range all {
			if n++; err != nil || !yield(n, m) {
				return
			}
		}
	}
}

// Where the table is full, calls share the records that the handle has; a handle that has none says
// so.
func TestBusPublishWhereTheTableIsFull(t *testing.T) {
	b := newBus(t, WithPublishers(8), WithSlots(64))
	hold := subscribe(t, b, "a", Reliable())
	ctx := soon(t)
	require.NoError(t, b.PublishRaw(ctx, "a", []byte{1}))
	for range 7 {
		publisher(t, b, "x")
	}
	other := reopen(t, b)
	require.ErrorIs(t, other.PublishRaw(ctx, "a", []byte{1}), ErrTableFull)
	for range 63 {
		require.NoError(t, b.PublishRaw(ctx, "a", []byte{1}))
	}
	errs := make(chan error, 20)
	for range 10 {
		go func() { errs <- b.PublishRaw(ctx, "a", []byte{2}) }() // one waits for room, the others for its record
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, b.PublishRaw(short, "a", []byte{2}), context.DeadlineExceeded)
	require.Empty(t, errs)
	for range 74 {
		_, err := hold.Next(ctx)
		require.NoError(t, err)
	}
	for range 10 {
		require.NoError(t, <-errs)
	}
	// Close ends those that wait.
	for range 64 {
		require.NoError(t, b.PublishRaw(ctx, "a", []byte{1}))
	}
	for range 10 {
		go func() { errs <- b.PublishRaw(context.Background(), "a", []byte{2}) }()
	}
	time.Sleep(5 * time.Millisecond)
	key := b.Key()
	require.NoError(t, b.Close())
	for range 10 {
		require.ErrorIs(t, <-errs, ErrClosed)
	}
	h, err := OpenKey(key)
	require.NoError(t, err)
	defer h.Close()
	balanced(t, h)
}

// Calls that find the table full at the same time do not wait for each other's records, of which
// there are none.
func TestBusPublishAtOnceWhereTheTableIsFull(t *testing.T) {
	for _, publishers := range []int{poolShare, 2 * poolShare, 4 * poolMost} {
		b := newBus(t, WithPublishers(publishers))
		o := reopen(t, b)
		var all []*Publisher
		for range publishers {
			all = append(all, publisher(t, o, "x"))
		}
		ctx := soon(t)
		const calls = 40
		for range 20 {
			start, errs := make(chan struct{}), make(chan error, calls)
			for range calls {
				go func() {
					<-start
					errs <- b.PublishRaw(ctx, "a", []byte{1})
				}()
			}
			close(start)
			for range calls {
				require.ErrorIs(t, <-errs, ErrTableFull)
			}
		}
		require.NoError(t, all[0].Close())
		require.NoError(t, b.PublishRaw(ctx, "a", []byte{1}))
	}
}

// Overlapping calls on an exclusive publisher or subscription are refused where they are seen.
func TestExclusiveRefusesOverlap(t *testing.T) {
	b := newBus(t, WithSlots(64))
	hold := subscribe(t, b, "a", Reliable())
	p, s := publisher(t, b, "a", Exclusive()), subscribe(t, b, "b", Exclusive())
	for range 64 {
		require.NoError(t, p.PublishRaw(soon(t), []byte{1}))
	}
	done := make(chan error, 2)
	go func() { done <- p.PublishRaw(soon(t), []byte{1}) }()
	go func() { _, err := s.Next(soon(t)); done <- err }()
	eventually(t, "both wait", func() bool { return atomic.LoadUint64(&p.busy) == 1 && atomic.LoadUint64(&s.busy) == 1 })
	require.ErrorIs(t, p.PublishRaw(soon(t), []byte{1}), ErrBusy)
	require.ErrorIs(t, p.Publish(soon(t), 1), ErrBusy)
	_, err := p.PublishBatch(soon(t), [][]byte{{1}})
	require.ErrorIs(t, err, ErrBusy)
	_, err = p.Reserve(1)
	require.ErrorIs(t, err, ErrBusy)
	_, err = s.Next(soon(t))
	require.ErrorIs(t, err, ErrBusy)
	_, err = s.TryNext()
	require.ErrorIs(t, err, ErrBusy)
	require.NoError(t, hold.Close())
	require.NoError(t, <-done)
	require.NoError(t, b.PublishRaw(soon(t), "b", []byte{1}))
	require.NoError(t, <-done)
	require.NoError(t, p.PublishRaw(soon(t), []byte{1}), "it goes on")
	balanced(t, b)
}

// A batch whose frames somebody changes meanwhile publishes what it finds, and damages nothing.
func TestFramesThatChangeInABatch(t *testing.T) {
	if fence.RaceEnabled {
		return // it is a race
	}
	b := newBus(t, WithSlots(64))
	p, s := publisher(t, b, "a"), subscribe(t, b, "a", DemoteAfter(time.Second))
	frames := make([][]byte, 16)
	all := contents(100_000, 0) // of one array: a slice that is half of one and half of another stays within it
	sizes := [][]byte{all[:1], all[:20], all[:240], all}
	for i := range frames {
		frames[i] = sizes[1]
	}
	var changing atomic.Bool
	changing.Store(true)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; changing.Load(); i++ {
			frames[i%16] = sizes[i/16%len(sizes)]
		}
	})
	receive, enough := context.WithCancel(soon(t))
	wg.Go(func() {
		for {
			_, err := s.Next(receive)
			if receive.Err() != nil {
				return
			}
			if err != nil && !errors.Is(err, ErrLost) {
				t.Error(err)
				return
			}
		}
	})
	for began := time.Now(); time.Since(began) < time.Second; {
		if _, err := p.PublishBatch(soon(t), frames); err != nil && !errors.Is(err, ErrTooLarge) {
			require.NoError(t, err)
		}
	}
	changing.Store(false)
	enough()
	wg.Wait()
	balanced(t, b)
}

// Who keeps the bytes of a reservation and writes to them spoils what others publish, and nothing
// else.
func TestKeptBytesSpoilContentOnly(t *testing.T) {
	if fence.RaceEnabled {
		return // it is a race, and the bytes are a copy
	}
	b := newBus(t, WithSlots(64), WithSlotSize(64))
	p, s := publisher(t, b, "a"), subscribe(t, b, "a", Reliable())
	ctx := soon(t)
	for range 200 {
		r, err := p.Reserve(48)
		require.NoError(t, err)
		kept := r.Bytes()
		require.NoError(t, r.Commit(ctx))
		for i := range 100 {
			require.NoError(t, p.PublishRaw(ctx, contents(48, i)))
			for k := range kept {
				kept[k] = 0xff
			}
			_, err := s.Next(ctx)
			require.NoError(t, err)
		}
		_, err = s.Next(ctx)
		require.NoError(t, err)
	}
	balanced(t, b)
	found, err := inspect.Examine(b.ShmID())
	require.NoError(t, err)
	require.Empty(t, found)
}
