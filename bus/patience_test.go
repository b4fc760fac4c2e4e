package bus

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/internal/fence"
	"shmbus/layout"
)

// ways to publish 200 bytes or less, which take more than one slot of 64 bytes.
var ways = map[string]func(p *Publisher, ctx context.Context) error{
	"small":   func(p *Publisher, ctx context.Context) error { return p.PublishRaw(ctx, []byte{1}) },
	"value":   func(p *Publisher, ctx context.Context) error { return p.Publish(ctx, 1) },
	"large":   func(p *Publisher, ctx context.Context) error { return p.PublishRaw(ctx, make([]byte, 200)) },
	"largest": func(p *Publisher, ctx context.Context) error { return p.PublishRaw(ctx, make([]byte, p.MaxFrame())) },
	"batch": func(p *Publisher, ctx context.Context) error {
		_, err := p.PublishBatch(ctx, sized(1, 2, 3))
		return err
	},
	"reserved": func(p *Publisher, ctx context.Context) error { return reserveAndCommit(p, ctx, 10) },
	"reserved, large": func(p *Publisher, ctx context.Context) error {
		return reserveAndCommit(p, ctx, 200)
	},
}

func reserveAndCommit(p *Publisher, ctx context.Context, n int) error {
	r, err := p.Reserve(n)
	if err != nil {
		return err
	}
	return r.Commit(ctx)
}

// fill publishes until the ring is full.
func fill(t *testing.T, b *Bus) {
	t.Helper()
	p := publisher(t, b, "fill", NoWait())
	for n := 0; ; n++ {
		if err := p.PublishRaw(soon(t), []byte{1}); err != nil {
			require.ErrorIs(t, err, ErrFull)
			require.LessOrEqual(t, n, b.seg.Map.Geometry.Slots)
			break
		}
	}
	require.NoError(t, p.Close())
}

// Promise 3: a publisher that does not wait goes on when the subscriber in its way has died,
// however it publishes, though nobody listens.
func TestNoWaitGoesOnAfterADeath(t *testing.T) {
	sub := func(h *Bus, say func(string)) {
		h.Subscribe(">", Reliable())
		say("ready")
	}
	if inChild() {
		child(t, nil, sub)
	}
	for name, publish := range ways {
		b := newBus(t, WithSlots(64), WithSlotSize(64))
		kill := child(t, b, sub)
		fill(t, b)
		p := publisher(t, b, "a", NoWait())
		require.ErrorIs(t, publish(p, soon(t)), ErrFull, name)
		kill()
		eventually(t, name, func() bool { return publish(p, soon(t)) == nil })
		snap, err := b.Snapshot()
		require.NoError(t, err)
		require.Zero(t, snap.Evictions)
	}
}

// passes lets time pass for a publisher's next look.
func passes(p *Publisher, d time.Duration) { p.stalls.looked = p.stalls.looked.Add(-d) }

// Promise 5: the patience of a subscription is over for publishers that do not wait, too, however
// they publish, and not before. Of a long time between two calls only an eighth of it counts.
func TestPatienceOfNoWait(t *testing.T) {
	for name, publish := range ways {
		for _, tt := range []struct {
			opt  SubscribeOption
			gate uint32
		}{{EvictAfter(time.Minute), layout.GateEvicted}, {DemoteAfter(time.Minute), layout.GateDemoted}} {
			b := newBus(t, WithSlots(64), WithSlotSize(64))
			s := subscribe(t, b, ">", tt.opt)
			fill(t, b)
			p := publisher(t, b, "a", NoWait(), Exclusive()) // whose reservations have no record of their own
			require.ErrorIs(t, publish(p, soon(t)), ErrFull, name)
			for range 7 {
				passes(p, time.Hour)
				require.ErrorIs(t, publish(p, soon(t)), ErrFull, name)
				require.Equal(t, uint32(layout.GateClosed), b.ring.Gate(s.index).State(), name)
			}
			passes(p, time.Hour)
			require.NoError(t, publish(p, soon(t)), name)
			require.Equal(t, tt.gate, b.ring.Gate(s.index).State(), name)
			snap, err := b.Snapshot()
			require.NoError(t, err)
			require.Equal(t, uint64(1), snap.Evictions)
		}
	}
}

// A subscription that has moved has all of its patience before it, and so has the next one in its
// record.
func TestPatienceBeginsAnew(t *testing.T) {
	b := newBus(t, WithSlots(64), WithSlotSize(64))
	s := subscribe(t, b, ">", EvictAfter(time.Minute))
	fill(t, b)
	p := publisher(t, b, "a", NoWait())
	ctx := soon(t)
	nearlyOver := func() {
		t.Helper()
		require.ErrorIs(t, p.PublishRaw(ctx, []byte{1}), ErrFull)
		for range 7 {
			passes(p, time.Hour)
			require.ErrorIs(t, p.PublishRaw(ctx, []byte{1}), ErrFull)
		}
	}
	for range 100 {
		nearlyOver()
		_, err := s.Next(ctx)
		require.NoError(t, err)
		if err := p.PublishRaw(ctx, []byte{1}); err != nil {
			require.NoError(t, err)
		}
	}
	nearlyOver()
	next := b.ring.Gate(s.index)
	require.NoError(t, s.Close())
	s2 := subscribe(t, b, ">", EvictAfter(time.Minute), FromOldest())
	require.Equal(t, s.index, s2.index)
	require.NotEqual(t, next, b.ring.Gate(s2.index))
	nearlyOver()
	require.Equal(t, uint32(layout.GateClosed), b.ring.Gate(s2.index).State())
	passes(p, time.Hour)
	require.NoError(t, p.PublishRaw(ctx, []byte{1}))
}

// While a publisher waits it looks every few milliseconds: if it was stopped for an hour, that was
// not the subscriber's time.
func TestStoppedPublisherUsesUpNoPatience(t *testing.T) {
	b := newBus(t, WithSlots(64), WithSlotSize(64))
	s := subscribe(t, b, ">", EvictAfter(time.Minute))
	fill(t, b)
	p := publisher(t, b, "a")
	end := p.ring.Next() + 1
	require.False(t, p.releaseGates(s.index, end, true))
	for range 100 {
		passes(p, time.Hour)
		require.False(t, p.releaseGates(s.index, end, false))
	}
	require.Equal(t, 100*lookMost, p.stalls.of[s.index].lasts)
}

// Several that do not move are cut off side by side, and nobody who is not in the way.
func TestPatienceOfSeveral(t *testing.T) {
	b := newBus(t, WithSlots(64), WithSlotSize(64))
	ctx := soon(t)
	stuck := []*Subscription{subscribe(t, b, ">", EvictAfter(time.Minute)), subscribe(t, b, ">", DemoteAfter(time.Minute)), subscribe(t, b, ">", EvictAfter(time.Minute))}
	slow, ahead := subscribe(t, b, ">", Reliable()), subscribe(t, b, ">", EvictAfter(time.Nanosecond))
	fill(t, b)
	_, err := slow.Next(ctx)
	require.NoError(t, err)
	_, err = ahead.Next(ctx)
	require.NoError(t, err)
	p := publisher(t, b, "a", NoWait())
	require.ErrorIs(t, p.PublishRaw(ctx, []byte{1}), ErrFull)
	for range 8 {
		passes(p, time.Hour)
		if err = p.PublishRaw(ctx, []byte{1}); err == nil {
			break
		}
	}
	require.NoError(t, err)
	for i, want := range []uint32{layout.GateEvicted, layout.GateDemoted, layout.GateEvicted} {
		require.Equal(t, want, b.ring.Gate(stuck[i].index).State(), "%d", i)
	}
	for _, s := range []*Subscription{slow, ahead} {
		require.Equal(t, uint32(layout.GateClosed), b.ring.Gate(s.index).State())
	}
}

// A gate's generation has 32 bits: at their wrap a gate is still another gate, helpers of the one
// before leave it alone, and its subscription has its own patience.
func TestGenerationOfGateWraps(t *testing.T) {
	b := newBus(t, WithSlots(64), WithSlotSize(64))
	ctx := soon(t)
	s := subscribe(t, b, ">", Reliable())
	require.NoError(t, s.Close())
	atomic.StoreUint64(b.seg.Sub(s.index, layout.SubGate), uint64(layout.MakeGate(1<<32-2, layout.GateOpen)))
	p := publisher(t, b, "a", NoWait())
	for i, want := range []uint32{1<<32 - 1, 0, 1} {
		s := subscribe(t, b, ">", EvictAfter(time.Minute))
		gate := b.ring.Gate(s.index)
		require.Equal(t, want, gate.Generation())
		require.Equal(t, uint32(layout.GateClosed), gate.State())
		fill(t, b)
		require.ErrorIs(t, p.PublishRaw(ctx, []byte{1}), ErrFull)
		for range 7 {
			passes(p, time.Hour)
			require.ErrorIs(t, p.PublishRaw(ctx, []byte{1}), ErrFull, "%d", i)
		}
		require.NoError(t, s.Close())
		require.False(t, b.ring.OpenGate(s.index, gate, layout.GateEvicted))
		late := subscribe(t, b, ">", Reliable())
		require.False(t, b.ring.OpenGate(late.index, gate, layout.GateEvicted))
		require.NoError(t, late.Close())
		atomic.StoreUint64(b.seg.Sub(s.index, layout.SubGate), uint64(layout.MakeGate(want, layout.GateOpen)))
	}
}

// Promise 5: who gives up learns for whom it waited.
func TestFullSaysWhoIsBehind(t *testing.T) {
	sub := func(h *Bus, say func(string)) {
		h.Subscribe("a.>", Reliable(), Also("b"))
		say("ready")
	}
	if inChild() {
		child(t, nil, sub)
	}
	b := newBus(t, WithSlots(64), WithSlotSize(64))
	child(t, b, sub)
	snap, err := b.Snapshot()
	require.NoError(t, err)
	fill(t, b)
	for name, publish := range ways {
		p := publisher(t, b, "a", NoWait())
		err := publish(p, soon(t))
		var full *FullError
		require.ErrorAs(t, err, &full, name)
		require.ErrorIs(t, err, ErrFull)
		require.Equal(t, FullError{Bus: b.Name(), Topic: "a", Op: "publish", Name: snap.Subscribers[0].Name, Pid: snap.Subscribers[0].Pid, Pattern: snap.Subscribers[0].Pattern, Lag: 64,
			subscriber: full.subscriber, gate: full.gate}, *full, name)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, fmt.Sprintf("pid %d) is 64 positions behind", full.Pid))
		require.NoError(t, p.Close())
	}
}

// A goroutine that waits for itself can not be told from one that waits for another of its process;
// but the error says what it may be.
func TestFullSaysItIsItself(t *testing.T) {
	b := newBus(t, WithSlots(64), WithSlotSize(64))
	subscribe(t, b, ">", Reliable())
	fill(t, b)
	for name, publish := range ways {
		for _, w := range []WaitStrategy{Adaptive, Block, Yield, Spin} {
			p := publisher(t, b, "a", Wait(w))
			var full *FullError
			// A context that has ended before the publisher looked at the ring says nothing of it:
			// on a slow machine it takes a longer one.
			for d := 5 * time.Millisecond; ; d *= 4 {
				ctx, cancel := context.WithTimeout(context.Background(), d)
				err := publish(p, ctx)
				cancel()
				require.ErrorIs(t, err, context.DeadlineExceeded, name)
				if d < time.Second && !errors.Is(err, ErrFull) {
					continue
				}
				require.ErrorAs(t, err, &full, name)
				require.ErrorIs(t, err, ErrFull, name)
				require.True(t, full.Self)
				require.Equal(t, os.Getpid(), full.Pid)
				require.ErrorContains(t, err, "waits for itself")
				break
			}
			for d := 5 * time.Millisecond; ; d *= 4 {
				ctx, cancel := context.WithCancel(context.Background())
				time.AfterFunc(d, cancel)
				err := publish(p, ctx)
				require.ErrorIs(t, err, context.Canceled, name)
				if d < time.Second && !errors.Is(err, ErrFull) {
					continue
				}
				require.ErrorIs(t, err, ErrFull, name)
				break
			}
			require.NoError(t, p.Close())
		}
	}
}

// Who drops what it can not publish makes no garbage while nothing moves.
func TestFullDoesNotAllocate(t *testing.T) {
	b := newBus(t, WithSlots(64), WithSlotSize(64))
	subscribe(t, b, ">", Reliable())
	fill(t, b)
	p := publisher(t, b, "a", NoWait())
	ctx, f := context.Background(), []byte{1}
	first := p.PublishRaw(ctx, f)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if p.PublishRaw(ctx, f) != first {
			t.Fatal("another error, and nothing has moved")
		}
	}))
}

// A frame that the ring does not carry is an error of its own, and nothing of it is published,
// whoever listens.
func TestFrameThatDoesNotFitTheRing(t *testing.T) {
	for _, tt := range []struct {
		opts []Option
		max  int
	}{
		{nil, 1900536},
		{[]Option{WithSlots(64)}, 7416},
		{[]Option{WithSlots(64), WithMaxFrame(100 << 20)}, 7416},
		{[]Option{WithSlots(8), WithSlotSize(64)}, 152},
		{[]Option{WithSlots(64), WithMaxFrame(7000)}, 7000},
		{[]Option{WithSlots(1 << 18)}, 16 << 20},
		{[]Option{WithSlots(1 << 18), WithMaxFrame(20 << 20)}, 20 << 20},
	} {
		if fence.RaceEnabled && tt.max > 2<<20 {
			continue // the race detector looks at each byte: the smaller ones take the same ways
		}
		b := newBus(t, tt.opts...)
		for _, opts := range [][]PublishOption{nil, {WithTime()}, {NoWait()}, {NoWait(), WithTime()}} {
			if tt.max > 1<<20 && len(opts) == 1 {
				continue
			}
			p := publisher(t, b, "a", opts...)
			require.Equal(t, tt.max, p.MaxFrame())
			require.Equal(t, tt.max, b.seg.Map.Geometry.MaxFrame)
			head := b.ring.Head()
			for _, err := range []error{
				p.PublishRaw(soon(t), make([]byte, tt.max+1)), p.Publish(soon(t), make([]byte, tt.max)), reserveAndCommit(p, soon(t), tt.max+1),
			} {
				require.ErrorIs(t, err, ErrTooLarge)
				var large *TooLargeError
				require.ErrorAs(t, err, &large)
				require.Equal(t, tt.max, large.Max)
				if g := b.seg.Map.Geometry; tt.max == g.Carries() {
					require.Equal(t, []int{g.Slots, g.SlotSize}, []int{large.Slots, large.SlotSize})
					require.ErrorContains(t, err, "WithSlots")
				} else {
					require.ErrorContains(t, err, "WithMaxFrame")
				}
			}
			require.Equal(t, head, b.ring.Head(), "nothing is published")
			for range max(10000/tt.max, 1) { // the largest fits as often as one likes, also where nobody reads while it is published
				s, lossy := subscribe(t, b, "a", Reliable()), subscribe(t, b, "a")
				require.NoError(t, p.PublishRaw(soon(t), make([]byte, tt.max)))
				for _, s := range []*Subscription{s, lossy} {
					m, err := s.Next(soon(t))
					require.NoError(t, err)
					require.Equal(t, tt.max, m.Size())
					require.NoError(t, s.Close())
				}
			}
			require.NoError(t, p.Close())
		}
	}
}

// A bus that an earlier version made may say that it takes frames which its ring does not carry.
// They are not published any more; but processes of that version go on to, and are understood.
func TestBusThatPromisedMore(t *testing.T) {
	b := newBus(t, WithSlots(64), WithSlotSize(64))
	h := b.seg.Identity
	h.Geometry.MaxFrame = 16 << 20
	require.NoError(t, h.Encode(b.seg.Mem))
	now := reopen(t, b)
	p := publisher(t, now, "a")
	require.Equal(t, 32*40-8, p.MaxFrame())
	require.ErrorIs(t, p.PublishRaw(soon(t), make([]byte, p.MaxFrame()+1)), ErrTooLarge)
	s := subscribe(t, now, "a", Reliable())
	b.seg.Map.Geometry.MaxFrame = 16 << 20 // as it was in that version
	b.seg.Identity = h
	old := publisher(t, b, "a")
	done := make(chan error, 1)
	go func() { done <- old.PublishRaw(soon(t), make([]byte, 10000)) }()
	m, err := s.Next(soon(t))
	require.NoError(t, err)
	require.Equal(t, 10000, m.Size())
	require.NoError(t, <-done)
}

// A gate protects what is still held: who joins at a position that is long gone stops nobody, and
// then loses nothing that was published since it joined.
func TestReliableFromALostPosition(t *testing.T) {
	for _, position := range []uint64{0, 5, 900, 1000 - 65} {
		b := newBus(t, WithSlots(64))
		p := publisher(t, b, "a", NoWait())
		ctx := soon(t)
		for i := range uint64(1000) {
			require.NoError(t, p.PublishRaw(ctx, frame(i)))
		}
		s := subscribe(t, b, ">", Reliable(), FromPosition(position))
		require.Equal(t, position, s.Position())
		for i := range uint64(64) {
			require.NoError(t, p.PublishRaw(ctx, frame(1000+i)))
		}
		require.ErrorIs(t, p.PublishRaw(ctx, frame(0)), ErrFull, "from here on something would be lost")
		_, err := s.Next(ctx)
		var loss *LossError
		require.ErrorAs(t, err, &loss)
		require.Equal(t, LossError{From: position, To: 1000, Count: 1000 - position}, *loss)
		for i := range uint64(200) {
			m, err := s.Next(ctx)
			require.NoError(t, err)
			require.Equal(t, 1000+i, number(m))
			require.NoError(t, p.PublishRaw(ctx, frame(1064+i)))
			require.ErrorIs(t, p.PublishRaw(ctx, frame(0)), ErrFull)
		}
	}
}

// A late context ends, as it is asked for the first time, and with the last one that is asked
// before something has happened.
type late struct {
	context.Context
	happens func()
}

func (l *late) Err() error {
	if l.happens != nil {
		l.happens()
		l.happens = nil
	}
	return context.DeadlineExceeded
}

// A call that was stopped for longer than its time finds what came meanwhile.
func TestOneMoreLookAfterTheTime(t *testing.T) {
	b := newBus(t, WithSlots(64))
	ctx := soon(t)
	p := publisher(t, b, "a")
	comes := func() *late {
		return &late{context.Background(), func() { require.NoError(t, p.PublishRaw(ctx, []byte{1})) }}
	}
	for _, w := range []WaitStrategy{Adaptive, Block, Yield, Spin} {
		for name, s := range map[string]*Subscription{"subscription": subscribe(t, b, "a", Wait(w)), "observer": watch(t, observe(t, b), "a", Wait(w))} {
			var m Message
			require.NoError(t, s.waitFor(comes(), &m, false), "%v, %s", w, name)
			require.NoError(t, s.waitFor(comes(), &m, true), "%v, %s", w, name)
			require.NoError(t, s.Close())
		}
	}
	for _, w := range []WaitStrategy{Adaptive, Block, Yield, Spin} {
		s := subscribe(t, b, ">", Reliable())
		fill(t, b)
		p := publisher(t, b, "a", Wait(w))
		p.ring.Fill(0, []byte{1})
		err := p.exchangeSlow(&late{context.Background(), func() {
			_, err := s.Next(ctx)
			require.NoError(t, err)
		}}, p.whole+1)
		require.NoError(t, err, "%v", w)
		require.ErrorIs(t, p.exchangeSlow(&late{context.Background(), nil}, p.whole+1), context.DeadlineExceeded)
		require.NoError(t, s.Close())
		require.NoError(t, p.Close())
	}
}

// Options that make no sense are refused, and the error says what would be right.
func TestOptionsThatMakeNoSense(t *testing.T) {
	b := newBus(t)
	for _, d := range []time.Duration{0, -1, -time.Hour} {
		for _, o := range [][]SubscribeOption{{EvictAfter(d)}, {DemoteAfter(d)}, {EvictAfter(time.Second), DemoteAfter(d)}, {EvictAfter(d), Reliable()}} {
			_, err := b.Subscribe("a", o...)
			require.ErrorContains(t, err, "more than 0")
			require.ErrorIs(t, err, ErrInvalid)
			var op *OpError
			require.ErrorAs(t, err, &op)
		}
	}
	_, err := b.Subscribe("a", Wait(Spin+1))
	require.ErrorContains(t, err, "Adaptive, Block, Yield or Spin")
	_, err = b.Publisher("a", Wait(200))
	require.ErrorContains(t, err, "Adaptive, Block, Yield or Spin")
	require.Equal(t, "WaitStrategy(200)", WaitStrategy(200).String())
	for name, o := range map[string]Option{
		"slots": WithSlots(-8), "slot size": WithSlotSize(0), "topics": WithTopics(-1), "publishers": WithPublishers(0), "subscribers": WithSubscribers(-64),
		"clients": WithClients(-1), "owned slots": WithOwnedSlots(0), "largest frame": WithMaxFrame(0),
	} {
		_, err := Create("nonsense", WithDir(t.TempDir()), o)
		require.ErrorIs(t, err, ErrInvalid, name)
		require.ErrorContains(t, err, name)
	}
	for _, n := range []int{-1, 1<<30 + 1} {
		_, err := Create("nonsense", WithDir(t.TempDir()), WithMaxFrame(n))
		require.ErrorContains(t, err, "largest frame")
	}
}

// Errors do not speak of files where a bus is meant, and are found to be those of package fs all
// the same.
func TestSentinels(t *testing.T) {
	for _, tt := range []struct {
		err  error
		is   []error
		text string
	}{
		{ErrClosed, []error{ErrClosed, fs.ErrClosed, os.ErrClosed}, "the bus, publisher or subscription is closed"},
		{ErrExists, []error{ErrExists, fs.ErrExist}, "the bus exists already"},
	} {
		for _, is := range tt.is {
			require.ErrorIs(t, tt.err, is)
		}
		require.EqualError(t, tt.err, tt.text)
	}
	require.NotErrorIs(t, ErrClosed, ErrExists)
	b := newBus(t)
	p := publisher(t, b, "a")
	require.NoError(t, p.Close())
	err := p.PublishRaw(soon(t), []byte{1})
	require.True(t, errors.Is(err, os.ErrClosed))
	require.NotContains(t, err.Error(), "file")
}
