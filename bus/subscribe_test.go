package bus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/layout"
)

func frame(i uint64) []byte { return binary.LittleEndian.AppendUint64([]byte{0xc4, 8}, i) }
func number(m Message) uint64 {
	return binary.LittleEndian.Uint64(m.Raw[2:])
}

func TestTopicsAndPatterns(t *testing.T) {
	b := newBus(t)
	ctx := soon(t)
	pubs := map[string]*Publisher{}
	for _, topic := range []string{"eu.eq.SAP", "eu.eq.BMW", "us.eq.IBM"} {
		pubs[topic] = publisher(t, b, topic)
	}
	subs := map[*Subscription][]string{
		subscribe(t, b, ">"):                           {"eu.eq.SAP", "us.eq.IBM", "eu.fx.EURUSD", "eu.eq.BMW"},
		subscribe(t, b, "eu.>"):                        {"eu.eq.SAP", "eu.fx.EURUSD", "eu.eq.BMW"},
		subscribe(t, b, "*.eq.IBM"):                    {"us.eq.IBM"},
		subscribe(t, b, "eu.*.BMW", Also("us.eq.IBM")): {"us.eq.IBM", "eu.eq.BMW"},
		subscribe(t, b, "nothing"):                     nil,
	}
	other := reopen(t, b) // topics that another handle makes are found, too
	for _, topic := range []string{"eu.eq.SAP", "us.eq.IBM", "eu.fx.EURUSD", "eu.eq.BMW"} {
		p := pubs[topic]
		if p == nil {
			p = publisher(t, other, topic)
		}
		require.NoError(t, p.Publish(ctx, topic))
	}
	for s, want := range subs {
		var got []string
		for {
			m, err := s.TryNext()
			if errors.Is(err, ErrEmpty) {
				break
			}
			require.NoError(t, err)
			got = append(got, m.Topic)
		}
		require.Equal(t, want, got)
	}
	_, err := b.Subscribe("a..b")
	require.ErrorIs(t, err, ErrTopic)
	_, err = b.Publisher("a.*")
	require.ErrorIs(t, err, ErrTopic)
}

func TestStarts(t *testing.T) {
	b := newBus(t, WithSlots(64))
	p := publisher(t, b, "a")
	for i := range uint64(100) {
		require.NoError(t, p.PublishRaw(soon(t), frame(i)))
	}
	first := func(opts ...SubscribeOption) uint64 {
		m, err := subscribe(t, b, ">", opts...).TryNext()
		require.NoError(t, err)
		require.Equal(t, number(m), m.Position)
		return m.Position
	}
	for _, reliable := range [][]SubscribeOption{nil, {Reliable()}} {
		with := func(o SubscribeOption) []SubscribeOption { return append([]SubscribeOption{o}, reliable...) }
		require.Equal(t, uint64(36), first(with(FromOldest())...))
		require.Equal(t, uint64(36), first(with(FromPosition(36))...))
		require.Equal(t, uint64(99), first(with(FromPosition(99))...))
		for _, o := range []SubscribeOption{FromNow(), FromPosition(100)} {
			_, err := subscribe(t, b, ">", with(o)...).TryNext()
			require.ErrorIs(t, err, ErrEmpty)
		}
		s := subscribe(t, b, ">", with(FromPosition(10))...)
		_, err := s.TryNext()
		var loss *LossError
		require.ErrorAs(t, err, &loss)
		require.Equal(t, LossError{From: 10, To: 36, Count: 26}, *loss)
		m, err := s.TryNext()
		require.NoError(t, err)
		require.Equal(t, uint64(36), m.Position)
		_, err = b.Subscribe(">", with(FromPosition(101))...)
		require.ErrorContains(t, err, "not published yet: the next is 100")
	}
}

func TestLossIsExact(t *testing.T) {
	b := newBus(t, WithSlots(64))
	ctx := soon(t)
	s := subscribe(t, b, ">")
	p := publisher(t, b, "a")
	next := uint64(0)
	received, lost := uint64(0), uint64(0)
	for round := range 50 {
		for range round * 7 {
			require.NoError(t, p.PublishRaw(ctx, frame(next)))
			next++
		}
		for {
			m, err := s.TryNext()
			var loss *LossError
			if errors.As(err, &loss) {
				require.ErrorIs(t, err, ErrLost)
				require.Equal(t, received+lost, loss.From)
				require.Equal(t, loss.To-loss.From, loss.Count)
				lost += loss.Count
				continue
			}
			if errors.Is(err, ErrEmpty) {
				break
			}
			require.NoError(t, err)
			require.Equal(t, received+lost, m.Position)
			require.Equal(t, m.Position, number(m))
			received++
		}
		require.Equal(t, next, received+lost)
	}
	require.NotZero(t, lost)
	require.Equal(t, SubscriptionStats{Received: received, Bytes: received * 10, Lost: lost, Losses: s.Stats().Losses}, s.Stats())
}

// A lossy subscriber of fragmented frames accounts for every position: delivered, or lost.
func TestLossOfFragments(t *testing.T) {
	b := newBus(t, WithSlots(64), WithSlotSize(64))
	ctx := soon(t)
	s := subscribe(t, b, ">")
	p := publisher(t, b, "a")
	size := 4 * (48 - layout.FragmentPrefix) // four slots each
	var delivered, lost, published uint64
	for round := range 40 {
		for range round {
			require.NoError(t, p.PublishRaw(ctx, make([]byte, size)))
			published += 4
		}
		for {
			m, err := s.TryNext()
			var loss *LossError
			if errors.As(err, &loss) {
				lost += loss.Count
				continue
			}
			if errors.Is(err, ErrEmpty) {
				break
			}
			require.NoError(t, err)
			require.Len(t, m.Raw, size)
			delivered += 4
		}
		require.Equal(t, published, delivered+lost, "round %d", round)
	}
	require.NotZero(t, lost)
}

func TestReadInPlace(t *testing.T) {
	b := newBus(t, WithSlots(64))
	ctx := soon(t)
	s := subscribe(t, b, ">")
	p := publisher(t, b, "a")
	require.NoError(t, p.PublishRaw(ctx, frame(5)))
	require.NoError(t, s.Read(ctx, func(v View) error {
		require.Equal(t, uint64(5), number(Message(v)))
		return nil
	}))
	mine := errors.New("mine")
	require.NoError(t, p.PublishRaw(ctx, frame(6)))
	require.ErrorIs(t, s.Read(ctx, func(View) error { return mine }), mine)
	_, err := s.TryNext()
	require.ErrorIs(t, err, ErrEmpty, "the message was taken all the same")
	big := make([]byte, 100000)
	require.NoError(t, p.PublishRaw(ctx, big[:1000]))
	require.NoError(t, s.Read(ctx, func(v View) error { require.Equal(t, 1000, v.Size()); return nil }))

	require.NoError(t, p.PublishRaw(ctx, frame(7)))
	var loss *LossError
	require.ErrorAs(t, s.Read(ctx, func(View) error {
		for i := range uint64(100) {
			require.NoError(t, p.PublishRaw(ctx, frame(i)))
		}
		return nil
	}), &loss, "overtaken while it was read")
	head := b.ring.Head()
	require.Equal(t, head, loss.To+64, "it goes on at the oldest")
	require.NoError(t, s.Read(ctx, func(v View) error { return s.Close() }), "closing inside the callback")
	require.ErrorIs(t, s.Read(ctx, nil), ErrClosed)
}

func TestIterators(t *testing.T) {
	b := newBus(t, WithSlots(64))
	p := publisher(t, b, "a")
	s := subscribe(t, b, ">")
	ctx, cancel := context.WithCancel(soon(t))
	defer cancel()
	for i := range 100 {
		require.NoError(t, p.Publish(ctx, i))
	}
	require.NoError(t, p.Publish(ctx, "not a number"))
	require.NoError(t, p.Publish(ctx, 7))
	var sum, losses, bad int
	for v, err := range Values[int](ctx, s) {
		switch {
		case errors.Is(err, ErrLost):
			losses++
		case err != nil:
			bad++
		default:
			sum++
		}
		if v == 7 && bad == 1 {
			cancel()
		}
	}
	require.Equal(t, 1, losses)
	require.Equal(t, 1, bad)
	require.Equal(t, 63, sum)
	go s.Close()
	for range s.All(context.Background()) {
		t.Error("there is nothing more")
	}
}

func TestPolicies(t *testing.T) {
	for name, c := range map[string]struct {
		opt     SubscribeOption
		evicted bool
	}{"evict": {EvictAfter(20 * time.Millisecond), true}, "demote": {DemoteAfter(20 * time.Millisecond), false}} {
		t.Run(name, func(t *testing.T) {
			b := newBus(t, WithSlots(64))
			ctx := soon(t)
			s := subscribe(t, b, ">", c.opt)
			p := publisher(t, b, "a")
			start := time.Now()
			for i := range uint64(200) {
				require.NoError(t, p.PublishRaw(ctx, frame(i)))
			}
			require.GreaterOrEqual(t, time.Since(start), 20*time.Millisecond, "the policy waits first")
			_, err := s.Next(ctx)
			var loss *LossError
			var evicted *EvictedError
			if c.evicted {
				require.ErrorAs(t, err, &evicted)
				require.ErrorIs(t, err, ErrEvicted)
				require.Equal(t, uint64(136), evicted.Loss.Count)
				_, err = s.Next(ctx)
				require.ErrorIs(t, err, ErrEvicted, "it is over")
			} else {
				require.ErrorAs(t, err, &loss)
				require.Equal(t, uint64(136), loss.Count)
				m, err := s.Next(ctx)
				require.NoError(t, err)
				require.Equal(t, uint64(136), m.Position)
			}
			snap, err := b.Snapshot()
			require.NoError(t, err)
			require.Equal(t, uint64(1), snap.Evictions)
		})
	}
}

func TestEvictedWhileItReadsOn(t *testing.T) {
	b := newBus(t, WithSlots(64))
	s := subscribe(t, b, ">", EvictAfter(1))
	p := publisher(t, b, "a")
	for i := range uint64(65) {
		require.NoError(t, p.PublishRaw(soon(t), frame(i)))
	}
	_, err := s.Next(soon(t))
	require.ErrorIs(t, err, ErrEvicted)
}

// What is published between a look that finds nothing and the notice of an eviction is delivered,
// or counted as lost.
func TestEvictedBeforeItLooksAgain(t *testing.T) {
	tryNext := func(_ context.Context, s *Subscription, m *Message) (err error) {
		*m, err = s.TryNext()
		return err
	}
	waitFor := func(ctx context.Context, s *Subscription, m *Message) error { return s.waitFor(ctx, m, false) }
	for name, tt := range map[string]struct {
		published, lost int
		look            func(context.Context, *Subscription, *Message) error
	}{
		"nothing": {0, 0, waitFor}, "some": {3, 0, waitFor}, "a lap": {64, 0, waitFor}, "more": {67, 3, waitFor}, "laps": {640, 576, waitFor},
		"nothing, not waiting": {0, 0, tryNext}, "some, not waiting": {3, 0, tryNext}, "more, not waiting": {67, 3, tryNext},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBus(t, WithSlots(64))
			s := subscribe(t, b, ">", EvictAfter(1))
			p := publisher(t, b, "a")
			require.True(t, b.ring.OpenGate(s.index, b.ring.Gate(s.index), layout.GateEvicted))
			for i := range tt.published {
				require.NoError(t, p.PublishRaw(soon(t), frame(uint64(i))))
			}
			var m Message
			var err error
			for next := 0; ; next++ {
				if err = tt.look(soon(t), s, &m); err != nil {
					break
				}
				require.EqualValues(t, next, m.Position)
			}
			var evicted *EvictedError
			require.ErrorAs(t, err, &evicted)
			require.EqualValues(t, tt.lost, evicted.Loss.Count)
			require.Equal(t, evicted.Loss.To, s.Position())
			if tt.lost == 0 {
				require.EqualValues(t, tt.published, s.Position())
			} else {
				require.Zero(t, evicted.Loss.From)
			}
		})
	}
}

// One order: all subscribers see the same sequence, and each publisher's own order in it.
func TestOneOrder(t *testing.T) {
	const pubs, subs, each = 4, 3, 3000
	b := newBus(t, WithSlots(256))
	ctx := soon(t)
	type message struct {
		position uint64
		topic    string
		n        uint64
	}
	var seen [subs][]message
	var wg sync.WaitGroup
	for i := range subs {
		s := subscribe(t, b, ">", Reliable())
		wg.Go(func() {
			for range pubs * each {
				m, err := s.Next(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				seen[i] = append(seen[i], message{m.Position, m.Topic, number(m)})
			}
		})
	}
	for i := range pubs {
		p := publisher(t, b, fmt.Sprint("p", i))
		wg.Go(func() {
			for n := range uint64(each) {
				if err := p.PublishRaw(ctx, frame(n)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	for i := 1; i < subs; i++ {
		require.Equal(t, seen[0], seen[i])
	}
	next := map[string]uint64{}
	for i, m := range seen[0] {
		require.Equal(t, uint64(i), m.position)
		require.Equal(t, next[m.topic], m.n, "%s keeps its order", m.topic)
		next[m.topic]++
	}
	books := b.ring.Audit()
	require.True(t, books.Balanced(), "%+v", books)
}

// A frame larger than the whole ring reaches a reliable subscriber that was asleep when it began. A
// frame as large as the ring carries reaches a subscriber that was asleep when it began, and holds
// nobody who wants something else.
func TestLargestFrame(t *testing.T) {
	b := newBus(t, WithSlots(16), WithSlotSize(64))
	ctx := soon(t)
	s, quiet := subscribe(t, b, "a", Reliable(), Wait(Block)), subscribe(t, b, "b", Reliable(), Wait(Block))
	other := make(chan error)
	go func() { _, err := quiet.Next(ctx); other <- err }()
	p := publisher(t, b, "a")
	for range 20 {
		eventually(t, "asleep", asleep(t, b, 1))
		got := make(chan int)
		go func() {
			m, err := s.Next(ctx)
			if err != nil {
				t.Error(err)
			}
			got <- m.Size()
		}()
		eventually(t, "both asleep", asleep(t, b, 2))
		require.NoError(t, p.PublishRaw(ctx, make([]byte, p.MaxFrame())))
		require.Equal(t, p.MaxFrame(), <-got)
	}
	require.Equal(t, 8*40-8, p.MaxFrame(), "half of the slots, less what fragments and a time take")
	require.NoError(t, publisher(t, b, "b").PublishRaw(ctx, []byte{1}))
	require.NoError(t, <-other)
}

// However frames of several publishers are mixed, cut off by loss and given up: every position is
// delivered, lost, or part of a frame that its publisher gave up.
func TestEveryPositionIsAccountedFor(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		b := newBus(t, WithSlots(64), WithSlotSize(64))
		ctx := soon(t)
		s := subscribe(t, b, ">")
		pubs := []*Publisher{publisher(t, b, "a"), publisher(t, b, "b"), publisher(t, b, "c")}
		slots := func(n int) uint64 { return uint64(b.seg.Map.Geometry.Fragments(n)) }
		var delivered, lost, givenUp uint64
		drain := func() {
			for {
				m, err := s.TryNext()
				var loss *LossError
				switch {
				case errors.Is(err, ErrEmpty):
					return
				case errors.As(err, &loss):
					lost += loss.Count
					require.LessOrEqual(t, loss.Count, loss.To-loss.From)
				default:
					require.NoError(t, err)
					delivered += slots(m.Size())
				}
			}
		}
		for range 200 {
			p := pubs[rnd.IntN(len(pubs))]
			size := 1 + rnd.IntN(400)
			if slots(size) > 1 && rnd.IntN(10) == 0 {
				// The publisher gives up after the first fragment, as one whose context ends does.
				// Nothing is lost with it while the subscriber keeps up.
				drain()
				before := lost
				p.ring.FillWord(0, uint64(size))
				p.ring.Fill(8, make([]byte, 40))
				require.NoError(t, p.exchangeSlow(ctx, layout.MakeFrameInfo(48, layout.FlagFirst, p.whole.Publisher(), p.id)))
				drain()
				require.NoError(t, p.PublishRaw(ctx, []byte{1}))
				drain()
				require.Equal(t, before, lost, "seed %d", seed)
				givenUp++
				continue
			}
			require.NoError(t, p.PublishRaw(ctx, make([]byte, size)))
			if rnd.IntN(12) == 0 {
				drain()
			}
		}
		drain()
		for _, p := range pubs { // whatever is still open comes to its end
			require.NoError(t, p.PublishRaw(ctx, []byte{1}))
		}
		drain()
		require.Equal(t, b.ring.Head(), delivered+lost+givenUp, "seed %d", seed)
		require.NotZero(t, lost, "seed %d", seed)
	}
}
