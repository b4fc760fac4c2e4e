package bus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// contents returns n bytes that only these arguments make.
func contents(n, seed int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(uint64(n), uint64(seed)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// sized returns frames of the given sizes.
func sized(sizes ...int) [][]byte {
	var frames [][]byte
	for i, n := range sizes {
		frames = append(frames, contents(n, i))
	}
	return frames
}

// numbered returns the frames with the numbers from first on.
func numbered(first uint64, n int) [][]byte {
	var frames [][]byte
	for i := range n {
		frames = append(frames, frame(first+uint64(i)))
	}
	return frames
}

func repeated(n, size int) []int {
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

func between(from, to int) (sizes []int) {
	for n := from; n <= to; n++ {
		sizes = append(sizes, n)
	}
	return sizes
}

// receiveAll receives n messages in batches of at most size.
func receiveAll(t testing.TB, s *Subscription, n, size int) []Message {
	t.Helper()
	var all []Message
	batch := make([]Message, size)
	for len(all) < n {
		k, err := s.ReceiveBatch(soon(t), batch[:min(size, n-len(all))])
		require.NoError(t, err)
		require.Positive(t, k)
		for _, m := range batch[:k] {
			all = append(all, m.Clone())
		}
	}
	return all
}

// A batch of frames of all sizes arrives as it was sent, up to the first frame that is none, and is
// counted exactly.
func TestBatchSizes(t *testing.T) {
	b := newBus(t, WithSlots(1024), WithSlotSize(64), WithMaxFrame(2000), WithOwnedSlots(8))
	const payload = 48
	for _, tt := range []struct {
		name  string
		sizes []int
		n     int
		err   error
	}{
		{"none", nil, 0, nil},
		{"one", []int{40}, 1, nil},
		{"as many as the publisher has slots", repeated(8, 40), 8, nil},
		{"one more", repeated(9, 40), 9, nil},
		{"many", repeated(300, 16), 300, nil},
		{"of 1 to 47 bytes", between(1, payload-1), payload - 1, nil},
		{"around a slot", between(payload-10, payload+2), 13, nil},
		{"large ones in between", []int{10, 500, 10, 10, payload + 1, 2000, 1}, 7, nil},
		{"large ones only", []int{500, 1000, 2000}, 3, nil},
		{"an empty one", []int{10, 10, 0, 10}, 2, errAny},
		{"an empty one first", []int{0, 10}, 0, errAny},
		{"one too large", []int{10, 2001, 10}, 1, ErrTooLarge},
		{"one too large behind many", append(repeated(100, 30), 2001), 100, ErrTooLarge},
	} {
		for _, timed := range []bool{false, true} {
			for _, size := range []int{1, 3, 1000} {
				t.Run(fmt.Sprintf("%s/time=%v/by %d", tt.name, timed, size), func(t *testing.T) {
					var opts []PublishOption
					if timed {
						opts = append(opts, WithTime())
					}
					s, p := subscribe(t, b, "sizes", Reliable()), publisher(t, b, "sizes", opts...)
					defer s.Close()
					defer p.Close()
					frames := sized(tt.sizes...)
					n, err := p.PublishBatch(soon(t), frames)
					require.Equal(t, tt.n, n)
					if tt.err == errAny {
						require.Error(t, err)
					} else {
						require.ErrorIs(t, err, tt.err)
					}
					last := []byte("and it goes on")
					require.NoError(t, p.PublishRaw(soon(t), last))
					want := append(frames[:n:n], last)
					bytes := 0
					for i, m := range receiveAll(t, s, len(want), size) {
						require.Equal(t, want[i], m.Raw, "frame %d", i)
						require.Equal(t, p.Topic(), m.Topic)
						require.Equal(t, p.Index(), m.Publisher)
						require.Equal(t, timed, !m.Time().IsZero())
						bytes += len(want[i])
					}
					require.Zero(t, s.Lag(), "nothing else was published")
					stats := s.Stats()
					require.Equal(t, []uint64{uint64(len(want)), uint64(bytes), 0}, []uint64{stats.Received, stats.Bytes, stats.Lost})
					snap, err := b.Snapshot()
					require.NoError(t, err)
					pub, sub := snap.Publishers[0], snap.Subscribers[0]
					require.Equal(t, []uint64{stats.Received, stats.Bytes}, []uint64{pub.Messages, pub.Bytes})
					require.Equal(t, []uint64{stats.Received, stats.Bytes}, []uint64{sub.Received, sub.Bytes})
				})
			}
		}
	}
}

// errAny stands for an error that has no name.
var errAny = errors.New("any error")

// All subscriptions see the same messages in the same order, and each publisher's own order in it,
// whether they are published and received one by one, in batches, or in several slots.
func TestBatchOrder(t *testing.T) {
	const pubs, each = 4, 3000
	b := newBus(t, WithSlots(256), WithSlotSize(64))
	ctx := soon(t)
	type message struct {
		position uint64
		topic    string
		n        uint64
	}
	var seen [4][]message
	var wg sync.WaitGroup
	for i := range seen {
		s := subscribe(t, b, ">", Reliable(), Wait([]WaitStrategy{Adaptive, Block, Yield, Adaptive}[i]))
		wg.Go(func() {
			batch := make([]Message, []int{1, 7, 64, 500}[i])
			for len(seen[i]) < pubs*each {
				n, err := s.ReceiveBatch(ctx, batch)
				if err != nil {
					t.Error(err)
					return
				}
				for _, m := range batch[:n] {
					seen[i] = append(seen[i], message{m.Position, m.Topic, number(m)})
				}
			}
		})
	}
	for i := range pubs {
		p := publisher(t, b, fmt.Sprint("p", i))
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			for next := uint64(0); next < each; {
				frames := numbered(next, min(1+r.IntN(40), int(each-next)))
				if i == 0 {
					frames = frames[:1]
				}
				if k := r.IntN(len(frames)); i == 3 {
					frames[k] = append(frames[k], make([]byte, 100)...)
				}
				n, err := p.PublishBatch(ctx, frames)
				if err != nil || n != len(frames) {
					t.Error(n, err)
					return
				}
				next += uint64(n)
			}
		})
	}
	wg.Wait()
	next := map[string]uint64{}
	position := uint64(0)
	for i, m := range seen[0] {
		require.Less(t, position, m.position+1)
		position = m.position + 1
		require.Equal(t, next[m.topic], m.n, "message %d: %s keeps its order", i, m.topic)
		next[m.topic]++
	}
	for i := 1; i < len(seen); i++ {
		require.Equal(t, seen[0], seen[i])
	}
	books := b.ring.Audit()
	require.True(t, books.Balanced(), "%+v", books)
}

func TestBatchWithReservation(t *testing.T) {
	b := newBus(t)
	s, p := subscribe(t, b, ">"), publisher(t, b, "a", Exclusive())
	r, err := p.Reserve(5)
	require.NoError(t, err)
	copy(r.Bytes(), "first")
	n, err := p.PublishBatch(soon(t), numbered(0, 3))
	require.ErrorIs(t, err, ErrBusy)
	require.Zero(t, n)
	n, err = p.PublishBatch(soon(t), nil)
	require.NoError(t, err)
	require.Zero(t, n)
	require.NoError(t, r.Commit(soon(t)), "what was reserved is as it was filled")
	n, err = p.PublishBatch(soon(t), numbered(0, 3))
	require.NoError(t, err)
	require.Equal(t, 3, n)
	got := receiveAll(t, s, 4, 4)
	require.Equal(t, "first", string(got[0].Raw))
	require.Equal(t, uint64(2), number(got[3]))
}

// A publisher that does not wait publishes of a batch exactly what there is room for.
func TestBatchSaysFull(t *testing.T) {
	for _, tt := range []struct {
		name         string
		before, read int // messages of one slot
		sizes        []int
		n            int
	}{
		{"an empty ring", 0, 0, repeated(100, 10), 64},
		{"exactly the ring", 0, 0, repeated(64, 10), 64},
		{"behind others", 50, 0, repeated(100, 10), 14},
		{"room for one", 63, 0, repeated(3, 10), 1},
		{"full already", 64, 0, repeated(3, 10), 0},
		{"some were read", 64, 11, repeated(100, 10), 11},
		{"all were read", 64, 64, repeated(100, 10), 64},
		{"room for half of a large one", 62, 0, []int{100, 10}, 0},
		{"a small one and half of a large one", 61, 0, []int{10, 100, 10}, 1},
		{"large ones", 10, 0, repeated(100, 100), 18},
	} {
		for _, timed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/time=%v", tt.name, timed), func(t *testing.T) {
				opts := []PublishOption{NoWait()}
				if timed {
					opts = append(opts, WithTime())
				}
				b := newBus(t, WithSlots(64), WithSlotSize(64))
				s, p := subscribe(t, b, ">", Reliable()), publisher(t, b, "a", opts...)
				n, err := p.PublishBatch(soon(t), numbered(0, tt.before))
				require.NoError(t, err)
				require.Equal(t, tt.before, n)
				if tt.read > 0 {
					receiveAll(t, s, tt.read, 10)
				}
				frames := sized(tt.sizes...)
				n, err = p.PublishBatch(soon(t), frames)
				require.Equal(t, tt.n, n)
				if n < len(frames) {
					require.ErrorIs(t, err, ErrFull)
				} else {
					require.NoError(t, err)
				}
				got := receiveAll(t, s, tt.before-tt.read+n, 1000)
				for i, m := range got[tt.before-tt.read:] {
					require.Equal(t, frames[i], m.Raw)
				}
				require.Zero(t, s.Lag(), "no part of another one was published")
				// What did not find room goes on where it ended.
				rest := frames[n:min(len(frames), n+16)]
				n, err = p.PublishBatch(soon(t), rest)
				require.NoError(t, err)
				for i, m := range receiveAll(t, s, n, 1000) {
					require.Equal(t, rest[i], m.Raw)
				}
			})
		}
	}
}

// A batch that waits for room ends with the context, with Close, or with the bus, and says how many
// it has published.
func TestBatchEnds(t *testing.T) {
	for _, w := range []WaitStrategy{Adaptive, Block, Yield, Spin} {
		for name, c := range map[string]struct {
			end  func(b *Bus, p *Publisher, cancel func())
			want error
		}{
			"context": {func(_ *Bus, _ *Publisher, cancel func()) { cancel() }, context.Canceled},
			"close":   {func(_ *Bus, p *Publisher, _ func()) { p.Close() }, ErrClosed},
			"bus":     {func(b *Bus, _ *Publisher, _ func()) { b.Close() }, ErrClosed},
			"removal": {func(b *Bus, _ *Publisher, _ func()) { Remove(b.Name(), WithDir(filepath.Dir(b.seg.Path))) }, ErrRemoved},
		} {
			t.Run(w.String()+"/"+name, func(t *testing.T) {
				dir := t.TempDir()
				b, err := Create("x", WithDir(dir), WithSlots(64))
				require.NoError(t, err)
				defer Remove("x", WithDir(dir))
				defer b.Close()
				h := reopen(t, b)
				s, p := subscribe(t, h, ">", Reliable()), publisher(t, b, "a", Wait(w))
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				type result struct {
					n   int
					err error
				}
				done := make(chan result)
				go func() {
					n, err := p.PublishBatch(ctx, numbered(0, 100))
					done <- result{n, err}
				}()
				eventually(t, "waiting", func() bool { s, _ := h.Snapshot(); return s.Publishers[0].Full > 0 })
				receiveAll(t, s, 5, 5)
				eventually(t, "waiting again", func() bool { return s.Lag() == 64 })
				c.end(b, p, cancel)
				r := <-done
				require.ErrorIs(t, r.err, c.want)
				require.Equal(t, 69, r.n)
				if name == "removal" {
					return
				}
				for i, m := range receiveAll(t, s, 64, 1000) {
					require.Equal(t, uint64(5+i), number(m))
				}
				require.Zero(t, s.Lag())
				n, err := p.PublishBatch(context.Background(), numbered(69, 31))
				if name == "context" {
					require.NoError(t, err)
					require.Equal(t, 31, n)
				} else {
					require.ErrorIs(t, err, ErrClosed)
					require.Zero(t, n)
				}
			})
		}
	}
}

// Close does not wait for the end of a batch that never has to wait for room.
func TestCloseInLongBatch(t *testing.T) {
	b := newBus(t, WithSlots(64), WithSlotSize(1<<14))
	s, p := subscribe(t, b, ">"), publisher(t, b, "a")
	one := make([]byte, 16_000)
	frames := make([][]byte, 2_000_000) // seconds
	for i := range frames {
		frames[i] = one
	}
	done := make(chan int)
	go func() {
		n, err := p.PublishBatch(context.Background(), frames)
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%d, %v", n, err)
		}
		done <- n
	}()
	eventually(t, "the batch has begun", func() bool { return s.Lag() > 0 })
	began := time.Now()
	require.NoError(t, p.Close())
	require.Less(t, time.Since(began), 500*time.Millisecond)
	n := <-done
	require.Equal(t, b.ring.Head(), uint64(n))
}
