package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

func observe(t testing.TB, b *Bus) *Observer {
	t.Helper()
	o, err := ObserveKey(b.Key())
	require.NoError(t, err)
	t.Cleanup(func() { o.Close() })
	return o
}

func watch(t testing.TB, o *Observer, pattern string, opts ...SubscribeOption) *Subscription {
	t.Helper()
	s, err := o.Subscribe(pattern, opts...)
	require.NoError(t, err)
	return s
}

// An observer receives what its patterns match, also of topics that are made later and of which no
// other subscriber knows.
func TestObserverReceives(t *testing.T) {
	b := newBus(t, WithSlots(64), WithSlotSize(64))
	ctx := soon(t)
	for i, topic := range []string{"a.early", "other.early"} {
		require.NoError(t, publisher(t, b, topic).PublishRaw(ctx, []byte{byte(i)}))
	}
	s := watch(t, observe(t, b), "a.*", Also("x.>"), FromOldest())
	large := bytes.Repeat([]byte("large "), 100)
	for _, m := range []struct {
		topic string
		frame []byte
	}{{"b.late", []byte{9}}, {"a.late", []byte{3}}, {"x.y.z", large}} {
		p := publisher(t, b, m.topic, WithTime())
		require.NoError(t, p.PublishRaw(ctx, m.frame))
		require.NoError(t, p.Close())
	}
	for _, want := range []struct {
		topic string
		frame []byte
	}{{"a.early", []byte{0}}, {"a.late", []byte{3}}, {"x.y.z", large}} {
		m, err := s.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, want.topic, m.Topic)
		require.Equal(t, want.frame, m.Raw)
		require.Equal(t, want.topic != "a.early", !m.Time().IsZero())
	}
	_, err := s.TryNext()
	require.ErrorIs(t, err, ErrEmpty)
	require.Equal(t, SubscriptionStats{Received: 3, Bytes: 2 + uint64(len(large))}, s.Stats())
	require.Equal(t, s.Position(), b.ring.Head())
}

// What an observer loses it reports as a lossy subscription does: the same positions.
func TestObserverLoss(t *testing.T) {
	b := newBus(t, WithSlots(16), WithSlotSize(64))
	ctx := soon(t)
	known, passive := subscribe(t, b, ">"), watch(t, observe(t, b), ">")
	p := publisher(t, b, "a")
	frame := bytes.Repeat([]byte("f"), 150)
	for range 20 {
		require.NoError(t, p.PublishRaw(ctx, frame))
	}
	read := func(s *Subscription) (history []string) {
		for {
			m, err := s.TryNext()
			var loss *LossError
			switch {
			case errors.Is(err, ErrEmpty):
				return history
			case errors.As(err, &loss):
				history = append(history, fmt.Sprintf("%+v", *loss))
			default:
				require.NoError(t, err)
				history = append(history, fmt.Sprintf("%d %s", m.Position, m.Raw))
			}
		}
	}
	want := read(known)
	require.Contains(t, want[0], "Count")
	require.Equal(t, want, read(passive))
	require.Equal(t, known.Stats(), passive.Stats())
	require.NotZero(t, passive.Stats().Lost)
}

// Every way in which a call waits ends with a message, with its context, with Close of either, and
// with the removal of the bus.
func TestObserverWaits(t *testing.T) {
	for _, w := range []WaitStrategy{Adaptive, Block, Yield, Spin} {
		t.Run(w.String(), func(t *testing.T) {
			b := newBus(t)
			o := observe(t, b)
			p := publisher(t, b, "a")
			begin := func(s *Subscription, ctx context.Context) chan error {
				ended := make(chan error, 1)
				go func() {
					_, err := s.Next(ctx)
					ended <- err
				}()
				time.Sleep(20 * time.Millisecond) // long enough for the longest rest to have begun
				return ended
			}
			s := watch(t, o, "a", Wait(w))
			message := begin(s, soon(t))
			require.NoError(t, p.PublishRaw(soon(t), []byte{1}))
			require.NoError(t, <-message)

			ctx, cancel := context.WithCancel(soon(t))
			canceled := begin(s, ctx)
			cancel()
			require.ErrorIs(t, <-canceled, context.Canceled)

			closed := begin(s, soon(t))
			require.NoError(t, s.Close())
			require.ErrorIs(t, <-closed, ErrClosed)

			both := begin(watch(t, o, "a", Wait(w)), soon(t))
			require.NoError(t, o.Close())
			require.ErrorIs(t, <-both, ErrClosed)
			_, err := o.Subscribe("a")
			require.ErrorIs(t, err, ErrClosed)
		})
	}
}

func TestObserverOfRemovedBus(t *testing.T) {
	for _, tt := range []struct {
		name   string
		remove func(t *testing.T, dir string, b *Bus)
	}{
		{"by its name", func(t *testing.T, dir string, b *Bus) { require.NoError(t, Remove("x", WithDir(dir))) }},
		{"by its identifiers", func(t *testing.T, dir string, b *Bus) {
			require.NoError(t, sysvshm.FromID(b.ShmID()).Remove())
			require.NoError(t, sysvsem.FromID(b.SemID()).Remove())
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			b, err := Create("x", WithDir(dir))
			require.NoError(t, err)
			defer b.Close()
			s := watch(t, observe(t, b), "a")
			ended := make(chan error, 1)
			go func() {
				_, err := s.Next(soon(t))
				ended <- err
			}()
			tt.remove(t, dir, b)
			require.ErrorIs(t, <-ended, ErrRemoved)
		})
	}
}

func TestObserverIsNeverReliable(t *testing.T) {
	o := observe(t, newBus(t))
	for _, opt := range []SubscribeOption{Reliable(), EvictAfter(time.Second), DemoteAfter(time.Second)} {
		_, err := o.Subscribe("a", opt)
		require.ErrorContains(t, err, "cannot be reliable")
	}
	_, err := o.Subscribe("a", FromPosition(1))
	require.ErrorContains(t, err, "not published yet")
	_, err = o.Subscribe("a..b")
	require.ErrorIs(t, err, ErrTopic)
}

// The kernel has the memory of an observer read-only, and no byte of it changes while one reads.
func TestObserverChangesNothing(t *testing.T) {
	b := newBus(t, WithSlots(64), WithSlotSize(64))
	ctx := soon(t)
	p := publisher(t, b, "a")
	for i := range 200 {
		require.NoError(t, p.PublishRaw(ctx, bytes.Repeat([]byte{byte(i)}, i+1)))
	}
	o := observe(t, b)
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	var modes []string
	for line := range strings.Lines(string(maps)) {
		// The inode of a segment's mapping is its identifier.
		if f := strings.Fields(line); len(f) >= 6 && strings.HasPrefix(f[5], "/SYSV") && f[4] == fmt.Sprint(b.ShmID()) {
			modes = append(modes, f[1])
		}
	}
	require.ElementsMatch(t, []string{"rw-s", "r--s"}, modes)

	seed := maphash.MakeSeed()
	before := maphash.Bytes(seed, b.seg.Mem)
	values, err := b.seg.Set.GetAll()
	require.NoError(t, err)
	for _, w := range []WaitStrategy{Adaptive, Block} {
		s := watch(t, o, ">", FromOldest(), Wait(w))
		for err := error(nil); !errors.Is(err, ErrEmpty); {
			if _, err = s.TryNext(); !errors.Is(err, ErrLost) && !errors.Is(err, ErrEmpty) {
				require.NoError(t, err)
			}
		}
		require.NotZero(t, s.Stats().Received)
		short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
		err := s.Read(short, func(View) error { return nil })
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotZero(t, s.Stats().Sleeps)
		require.Less(t, s.Stats().Sleeps, uint64(40), "it asks the context after each rest")
		require.NoError(t, s.Close())
	}
	_, err = o.Snapshot()
	require.NoError(t, err)
	require.NoError(t, o.Close())
	require.Equal(t, before, maphash.Bytes(seed, b.seg.Mem))
	after, err := b.seg.Set.GetAll()
	require.NoError(t, err)
	require.Equal(t, values, after)
}

// Reading passively makes no garbage either.
func TestObserverAllocations(t *testing.T) {
	b := newBus(t)
	ctx := soon(t)
	s, p := watch(t, observe(t, b), "a"), publisher(t, b, "a")
	frame := make([]byte, 48)
	var m Message
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if p.PublishRaw(ctx, frame) != nil || s.Receive(ctx, &m) != nil {
			t.Fail()
		}
	}))
}
