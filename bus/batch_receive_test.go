package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/layout"
)

// What a batch gets is what there is, whoever published it, and whatever comes in between that is
// not wanted.
func TestBatchOfDifferentMessages(t *testing.T) {
	b := newBus(t, WithSlots(256), WithSlotSize(64))
	ctx := soon(t)
	all, some := subscribe(t, b, ">", Reliable()), subscribe(t, b, "a", Also("t"), Reliable())
	pubs := []*Publisher{publisher(t, b, "a"), publisher(t, b, "b"), publisher(t, b, "a"), publisher(t, b, "t", WithTime())}
	var mine []uint64
	for i := range uint64(60) {
		p := pubs[i%4]
		require.NoError(t, p.PublishRaw(ctx, frame(i)))
		if p.topic != "b" {
			mine = append(mine, i)
		}
	}
	batch := make([]Message, 100)
	for _, tt := range []struct {
		s    *Subscription
		want []uint64
	}{{all, []uint64{0: 0, 59: 59}}, {some, mine}} {
		n, err := tt.s.ReceiveBatch(ctx, batch)
		require.NoError(t, err)
		require.Equal(t, len(tt.want), n, "all that there is")
		for i, m := range batch[:n] {
			if want := tt.want[i]; want != 0 {
				require.Equal(t, want, number(m))
			}
			p := pubs[number(m)%4]
			require.Equal(t, []any{number(m), p.topic, p.Index(), p.stamp}, []any{m.Position, m.Topic, m.Publisher, !m.Time().IsZero()})
		}
	}
}

// Messages of a batch stay as they are until the next call, each in memory of its own, whatever is
// published meanwhile.
func TestBatchMemory(t *testing.T) {
	b := newBus(t, WithSlots(64), WithSlotSize(128))
	ctx := soon(t)
	s, p, other, timed := subscribe(t, b, ">"), publisher(t, b, "a"), publisher(t, b, "b"), publisher(t, b, "c", WithTime())
	for round := range 20 {
		var want [][]byte
		for i := range 20 {
			f := contents(1+(round*7+i*13)%100, i)
			want = append(want, f)
			require.NoError(t, []*Publisher{p, p, p, other, timed}[i*i%5].PublishRaw(ctx, f))
		}
		for i := range round % 4 {
			f := contents(500+100*i, round)
			want = append(want, f)
			require.NoError(t, p.PublishRaw(ctx, f))
		}
		batch := make([]Message, 30)
		for len(want) > 0 {
			n, err := s.ReceiveBatch(ctx, batch)
			require.NoError(t, err)
			for range 64 {
				require.NoError(t, p.PublishRaw(ctx, make([]byte, 100)))
			}
			for i := range batch[:n] {
				require.Equal(t, want[i], batch[i].Raw)
				batch[i].Raw = append(batch[i].Raw, make([]byte, 12)...) // what a caller may do with a slice
			}
			for i, m := range batch[:n] {
				require.Equal(t, want[i], m.Raw[:len(want[i])])
			}
			want = want[n:]
			if len(want) > 0 {
				// The rest was overwritten. Once more:
				for s.Lag() > 0 {
					s.TryNext()
				}
				for _, f := range want {
					require.NoError(t, p.PublishRaw(ctx, f))
				}
			}
		}
		for s.Lag() > 0 {
			s.TryNext()
		}
	}
}

// Large slots do not make large batches.
func TestBatchIsBounded(t *testing.T) {
	for _, slotSize := range []int{64, 1 << 12, 1 << 18, 1 << 21} {
		t.Run(fmt.Sprintf("slot size %d", slotSize), func(t *testing.T) {
			b := newBus(t, WithSlots(8), WithSlotSize(slotSize), WithPublishers(1), WithOwnedSlots(2))
			s, p := subscribe(t, b, ">"), publisher(t, b, "a")
			var want [][]byte
			for i := range 8 {
				want = append(want, bytes.Repeat([]byte{byte(i + 1)}, slotSize-16))
			}
			n, err := p.PublishBatch(soon(t), want)
			require.NoError(t, err)
			require.Equal(t, 8, n)
			for i, m := range receiveAll(t, s, 8, 8) {
				require.True(t, bytes.Equal(want[i], m.Raw))
			}
			receiveInto := make([]Message, 10_000)
			require.NoError(t, p.PublishRaw(soon(t), frame(1)))
			n, err = s.ReceiveBatch(soon(t), receiveInto)
			require.NoError(t, err)
			require.Equal(t, 1, n)
			require.LessOrEqual(t, len(s.batch), max(batchBytes, slotSize))
		})
	}
}

// Of a lossy subscription every position is in a batch or in a loss, in order, and a loss behind
// some messages comes with the next call.
func TestBatchLossIsExact(t *testing.T) {
	b := newBus(t, WithSlots(64))
	ctx := soon(t)
	s, p := subscribe(t, b, ">"), publisher(t, b, "a")
	next, received, lost := uint64(0), uint64(0), uint64(0)
	batch := make([]Message, 50)
	for round := range 60 {
		n, err := p.PublishBatch(ctx, numbered(next, round*5))
		require.NoError(t, err)
		next += uint64(n)
		for s.Lag() > 0 {
			n, err := s.ReceiveBatch(ctx, batch[:1+round%50])
			var loss *LossError
			if errors.As(err, &loss) {
				require.Zero(t, n)
				require.Equal(t, LossError{From: received + lost, To: received + lost + loss.Count, Count: loss.Count}, *loss)
				lost += loss.Count
				continue
			}
			require.NoError(t, err)
			for _, m := range batch[:n] {
				require.Equal(t, received+lost, m.Position)
				require.Equal(t, m.Position, number(m))
				received++
			}
		}
		require.Equal(t, next, received+lost)
	}
	require.NotZero(t, lost)
	require.Equal(t, SubscriptionStats{Received: received, Bytes: received * 10, Lost: lost, Losses: s.Stats().Losses}, s.Stats())
}

// A subscription that is overtaken while it takes a batch says so with the next call.
func TestBatchIsOvertaken(t *testing.T) {
	b := newBus(t, WithSlots(64))
	ctx, cancel := context.WithCancel(soon(t))
	defer cancel()
	s, p := subscribe(t, b, ">", Wait(Yield)), publisher(t, b, "a")
	done := make(chan uint64)
	go func() {
		next := uint64(0)
		for ctx.Err() == nil {
			n, err := p.PublishBatch(context.Background(), numbered(next, 100))
			if err != nil {
				t.Error(err)
			}
			next += uint64(n)
		}
		done <- next
	}()
	received, lost := uint64(0), uint64(0)
	batch := make([]Message, 64)
	for began, stopped := time.Now(), false; !stopped || s.Lag() > 0; {
		if !stopped && time.Since(began) > 300*time.Millisecond {
			cancel()
			<-done
			stopped = true
			continue
		}
		n, err := s.ReceiveBatch(soon(t), batch)
		var loss *LossError
		switch {
		case errors.As(err, &loss):
			require.Equal(t, received+lost, loss.From)
			require.Equal(t, loss.To-loss.From, loss.Count)
			lost += loss.Count
		default:
			require.NoError(t, err)
			for _, m := range batch[:n] {
				require.Equal(t, received+lost, m.Position)
				require.Equal(t, m.Position, number(m))
				received++
			}
		}
	}
	require.Equal(t, b.ring.Head(), received+lost)
	t.Logf("%d received, %d lost", received, lost)
}

// Whatever goes wrong behind some messages of a batch is not forgotten: each way to receive says it
// next.
func TestErrorBehindABatch(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, b *Bus, p, q *Publisher)
		check func(t *testing.T, err error)
	}{
		"a message is damaged": {
			func(t *testing.T, b *Bus, p, q *Publisher) {
				require.NoError(t, p.PublishRaw(soon(t), frame(99)))
				atomic.OrUint64(b.seg.Word(slotOf(b, int(b.ring.Head()-1)&63)+layout.FrameInfoOffset), 1<<20)
			},
			func(t *testing.T, err error) { require.ErrorIs(t, err, ErrCorrupt) },
		},
		"the rest of a frame was lost": {
			func(t *testing.T, b *Bus, p, q *Publisher) { require.NoError(t, q.PublishRaw(soon(t), frame(99))) },
			func(t *testing.T, err error) {
				var loss *LossError
				require.ErrorAs(t, err, &loss)
				require.Equal(t, uint64(1), loss.Count)
				require.Zero(t, loss.From)
			},
		},
	} {
		for way, receive := range map[string]func(s *Subscription) error{
			"Next":         func(s *Subscription) error { _, err := s.Next(soon(t)); return err },
			"TryNext":      func(s *Subscription) error { _, err := s.TryNext(); return err },
			"Read":         func(s *Subscription) error { return s.Read(soon(t), func(View) error { return nil }) },
			"ReceiveBatch": func(s *Subscription) error { _, err := s.ReceiveBatch(soon(t), make([]Message, 9)); return err },
		} {
			t.Run(name+"/"+way, func(t *testing.T) {
				b := newBus(t, WithSlots(64), WithSlotSize(64))
				ctx := soon(t)
				s, p, q := subscribe(t, b, ">"), publisher(t, b, "p"), publisher(t, b, "q")
				// The beginning of a frame arrives, and then the subscription is lapped.
				q.ring.FillWord(0, 100)
				q.ring.Fill(8, make([]byte, 40))
				require.NoError(t, q.exchangeSlow(ctx, layout.MakeFrameInfo(48, layout.FlagFirst, q.whole.Publisher(), q.id)))
				require.NoError(t, p.PublishRaw(ctx, frame(0)))
				receiveAll(t, s, 1, 1)
				n, err := p.PublishBatch(ctx, numbered(1, 70))
				require.NoError(t, err)
				require.Equal(t, 70, n)
				_, err = s.Next(ctx)
				require.ErrorIs(t, err, ErrLost)
				receiveAll(t, s, 64, 64)

				n, err = p.PublishBatch(ctx, numbered(71, 5))
				require.NoError(t, err)
				require.Equal(t, 5, n)
				c.spoil(t, b, p, q)
				require.NoError(t, p.PublishRaw(ctx, frame(100)))
				before := s.Stats().Received
				batch := make([]Message, 30)
				n, err = s.ReceiveBatch(ctx, batch)
				require.NoError(t, err)
				require.Equal(t, 5, n, "what came before it")
				require.Equal(t, uint64(75), number(batch[4]))
				c.check(t, receive(s))
				for last := uint64(0); last != 100; {
					n, err := s.ReceiveBatch(ctx, batch)
					require.NoError(t, err, "it is said once")
					last = number(batch[n-1])
				}
				require.LessOrEqual(t, before+6, s.Stats().Received)
				require.Equal(t, b.ring.Head(), s.Position())
			})
		}
	}
}

// ReceiveBatch waits for the first message, for no other, and no longer than its context lasts.
// Messages that are there do not keep it from seeing that the context has ended.
func TestReceiveBatchEnds(t *testing.T) {
	b := newBus(t, WithSlots(4096))
	s, p := subscribe(t, b, ">", Reliable()), publisher(t, b, "a")
	batch := make([]Message, 64)
	n, err := s.ReceiveBatch(cancelled(), nil)
	require.ErrorIs(t, err, context.Canceled, "though nothing was asked for")
	require.Zero(t, n)
	short, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err = s.ReceiveBatch(short, batch)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	n, err = p.PublishBatch(soon(t), numbered(0, 3))
	require.NoError(t, err)
	require.Equal(t, 3, n)
	n, err = s.ReceiveBatch(context.Background(), batch)
	require.NoError(t, err)
	require.Equal(t, 3, n, "it does not wait for more")

	_, err = p.PublishBatch(soon(t), numbered(3, 4000))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	for i := range 10 {
		n, err := s.ReceiveBatch(ctx, batch)
		require.NoError(t, err)
		require.Equal(t, uint64(3+64*i), number(batch[0]))
		require.Equal(t, 64, n)
	}
	cancel()
	_, err = s.ReceiveBatch(ctx, batch)
	require.ErrorIs(t, err, context.Canceled)
	m, err := s.Next(context.Background())
	require.NoError(t, err)
	require.Equal(t, uint64(3+640), number(m), "nothing was taken")

	errs := make(chan error)
	empty := subscribe(t, b, "nothing", Wait(Block))
	go func() { _, err := empty.ReceiveBatch(context.Background(), batch); errs <- err }()
	eventually(t, "asleep", asleep(t, b, 1))
	require.NoError(t, empty.Close())
	require.ErrorIs(t, <-errs, ErrClosed)
	require.NoError(t, s.Close())
	_, err = s.ReceiveBatch(context.Background(), batch)
	require.ErrorIs(t, err, ErrClosed)
}

// Sleepers are woken for every message of a batch, not for its last one alone; they hold nobody up,
// and those who want none of it sleep on.
func TestBatchWakes(t *testing.T) {
	for _, tt := range []struct {
		name string
		most int // frames of a batch
		opts []SubscribeOption
	}{
		{"lossy", 30, nil},
		{"reliable", 30, []SubscribeOption{Reliable()}},
		{"batches larger than the ring", 300, []SubscribeOption{Reliable()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const rounds = 100
			b := newBus(t, WithSlots(64), WithOwnedSlots(8))
			ctx := soon(t)
			p, busy := publisher(t, b, "a"), publisher(t, b, "busy")
			rnd := rand.New(rand.NewPCG(7, 7))
			s, quiet := subscribe(t, b, "a", append(tt.opts, Wait(Block))...), subscribe(t, b, "quiet", Reliable(), Wait(Block))
			got, errs := make(chan Message, 1000), make(chan error, 2)
			go func() {
				for {
					m, err := s.Next(ctx)
					if err != nil {
						errs <- err
						return
					}
					got <- m.Clone()
				}
			}()
			go func() { _, err := quiet.Next(ctx); errs <- err }()
			next := uint64(0)
			for i := range rounds {
				eventually(t, "both asleep", asleep(t, b, 2))
				for range i % 3 * 10 {
					require.NoError(t, busy.PublishRaw(ctx, []byte{1}))
				}
				n := 1 + rnd.IntN(tt.most)
				k, err := p.PublishBatch(ctx, numbered(next, n))
				require.NoError(t, err)
				require.Equal(t, n, k)
				for range n {
					select {
					case m := <-got:
						require.Equal(t, next, number(m))
						next++
					case err := <-errs:
						require.NoError(t, err)
					case <-time.After(5 * time.Second):
						t.Fatalf("message %d does not arrive", next)
					}
				}
			}
			snap, err := b.Snapshot()
			require.NoError(t, err)
			require.NotZero(t, snap.Subscribers[0].Posts)
			require.Zero(t, snap.Subscribers[1].Posts, "the quiet one")
			require.NoError(t, publisher(t, b, "quiet").PublishRaw(ctx, []byte{1}))
			require.NoError(t, <-errs)
			require.NoError(t, s.Close())
			require.ErrorIs(t, <-errs, ErrClosed)
		})
	}
}

// A subscriber that is woken for a batch resumes at the batch's first message, not at a message
// that others published after it fell asleep.
func TestBatchWakesNearby(t *testing.T) {
	for name, publish := range map[string]func(p *Publisher) error{
		"one":   func(p *Publisher) error { return p.PublishRaw(context.Background(), frame(0)) },
		"batch": func(p *Publisher) error { _, err := p.PublishBatch(context.Background(), numbered(0, 30)); return err },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBus(t, WithSlots(1024))
			s, p, busy := subscribe(t, b, "a", Wait(Block)), publisher(t, b, "a"), publisher(t, b, "busy")
			require.NoError(t, p.PublishRaw(soon(t), frame(0)))
			receiveAll(t, s, 1, 1)
			got := make(chan error)
			go func() {
				m, err := s.Next(soon(t))
				if err == nil && m.Position != 101 {
					err = fmt.Errorf("a message at position %d", m.Position)
				}
				got <- err
			}()
			eventually(t, "asleep", asleep(t, b, 1))
			for range 100 {
				require.NoError(t, busy.PublishRaw(soon(t), []byte{1}))
			}
			require.NoError(t, publish(p))
			require.NoError(t, <-got)
			// The word keeps the position when it says awake.
			require.Equal(t, uint64(101), layout.Wake(atomic.LoadUint64(b.seg.Sub(s.index, layout.SubWake))).Position(100))
		})
	}
}
