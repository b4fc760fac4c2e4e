package bus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/layout"
)

func TestNextEnds(t *testing.T) {
	for _, w := range []WaitStrategy{Adaptive, Block, Yield, Spin} {
		for name, c := range map[string]struct {
			end  func(b *Bus, s *Subscription, cancel func())
			want error
		}{
			"context": {func(_ *Bus, _ *Subscription, cancel func()) { cancel() }, context.Canceled},
			"close":   {func(_ *Bus, s *Subscription, _ func()) { s.Close() }, ErrClosed},
			"bus":     {func(b *Bus, _ *Subscription, _ func()) { b.Close() }, ErrClosed},
			"removal": {func(b *Bus, _ *Subscription, _ func()) { Remove(b.Name(), WithDir(filepath.Dir(b.seg.Path))) }, ErrRemoved},
		} {
			t.Run(w.String()+"/"+name, func(t *testing.T) {
				dir := t.TempDir()
				b, err := Create("x", WithDir(dir))
				require.NoError(t, err)
				defer Remove("x", WithDir(dir))
				defer b.Close()
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				// Several wait at once: a leader and its followers.
				errs := make(chan error)
				var subs []*Subscription
				for range 3 {
					s := subscribe(t, b, ">", Wait(w))
					subs = append(subs, s)
					go func() { _, err := s.Next(ctx); errs <- err }()
				}
				if w == Adaptive || w == Block {
					eventually(t, "all asleep", asleep(t, b, 3))
				}
				for i, s := range subs {
					if i == 0 || name == "close" {
						c.end(b, s, cancel)
					}
				}
				for range subs {
					require.ErrorIs(t, <-errs, c.want)
				}
			})
		}
	}
}

func TestDeadlineOfNext(t *testing.T) {
	b := newBus(t)
	s := subscribe(t, b, ">")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := s.Next(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	p := publisher(t, b, "a")
	require.NoError(t, p.Publish(context.Background(), 1))
	_, err = s.Next(context.Background())
	require.NoError(t, err, "the subscription goes on")
}

// A publish makes no system call unless somebody who wants the message sleeps: the segment counts
// the posts. And however often the ring is lapped, the quiet sleepers are neither woken nor do they
// lose anything.
func TestOnlyTheInterestedAreWoken(t *testing.T) {
	b := newBus(t, WithSlots(64))
	ctx := soon(t)
	const quiet = 100
	var wg sync.WaitGroup
	got := make([]atomic.Uint64, quiet)
	ctxQuiet, stop := context.WithCancel(ctx)
	for i := range quiet {
		opts := []SubscribeOption{Wait(Block)}
		if i%2 == 0 {
			opts = append(opts, Reliable())
		}
		s := subscribe(t, b, fmt.Sprintf("quiet.%d", i), opts...)
		wg.Go(func() {
			for {
				m, err := s.Next(ctxQuiet)
				if err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Error(i, err)
					}
					return
				}
				got[i].Store(m.Position)
			}
		})
	}
	busy := publisher(t, b, "busy")
	one := publisher(t, b, "quiet.7")
	eventually(t, "all asleep", asleep(t, b, quiet))
	before, err := b.Snapshot()
	require.NoError(t, err)
	for range 10000 {
		require.NoError(t, busy.PublishRaw(ctx, []byte{1}))
	}
	after, err := b.Snapshot()
	require.NoError(t, err)
	require.Equal(t, before.Posts, after.Posts, "nobody was woken")
	require.Zero(t, after.Publishers[0].Full, "and nobody held the publisher up")
	require.True(t, asleep(t, b, quiet)())

	require.NoError(t, one.PublishRaw(ctx, []byte{1}))
	eventually(t, "delivery", func() bool { return got[7].Load() == 10000 })
	after, err = b.Snapshot()
	require.NoError(t, err)
	require.Equal(t, before.Posts+1, after.Posts, "one was woken")
	for _, s := range after.Subscribers {
		require.Zero(t, s.Lost, "%+v", s)
	}
	eventually(t, "all asleep", asleep(t, b, quiet))
	require.LessOrEqual(t, sleepingThreads(t), 2, "one thread sleeps for all, one hears the bell")
	stop()
	wg.Wait()
}

// sleepingThreads counts this process's threads that are in semtimedop.
func sleepingThreads(t *testing.T) int {
	t.Helper()
	number := map[string]string{"amd64": "220 ", "arm64": "192 "}[runtime.GOARCH]
	files, err := filepath.Glob("/proc/self/task/*/syscall")
	require.NoError(t, err)
	n := 0
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && strings.HasPrefix(string(b), number) {
			n++
		}
	}
	require.NotZero(t, n, "somebody sleeps")
	return n
}

// A topic that comes into being while everybody sleeps wakes those whose patterns it matches.
func TestNewTopicReachesSleepers(t *testing.T) {
	b := newBus(t, WithSlots(64))
	ctx := soon(t)
	errs := make(chan error, 2)
	for _, pattern := range []string{">", "new.*"} {
		s := subscribe(t, b, pattern, Wait(Block))
		go func() {
			for i := range 50 {
				m, err := s.Next(ctx)
				if err == nil && m.Topic != fmt.Sprintf("new.%d", i) {
					err = fmt.Errorf("got %s, want new.%d", m.Topic, i)
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for i := range 50 {
		eventually(t, "both asleep", asleep(t, b, 2))
		p := publisher(t, b, fmt.Sprintf("new.%d", i))
		require.NoError(t, p.Publish(ctx, i))
		require.NoError(t, p.Close())
		if i == 49 {
			break
		}
		eventually(t, "read", func() bool {
			s, _ := b.Snapshot()
			return s.Subscribers[0].Received == uint64(i+1) && s.Subscribers[1].Received == uint64(i+1)
		})
	}
	require.NoError(t, <-errs)
	require.NoError(t, <-errs)
}

// Two that wake each other many times: a lost wake-up would leave both asleep.
func TestPingPong(t *testing.T) {
	b := newBus(t, WithSlots(64))
	ctx := soon(t)
	ping, pong := publisher(t, b, "ping"), publisher(t, b, "pong")
	sPing, sPong := subscribe(t, b, "ping", Wait(Block)), subscribe(t, b, "pong", Wait(Block))
	const rounds = 3000
	go func() {
		for range rounds {
			if _, err := sPing.Next(ctx); err != nil {
				t.Error(err)
				return
			}
			pong.PublishRaw(ctx, []byte{2})
		}
	}()
	for range rounds {
		require.NoError(t, ping.PublishRaw(ctx, []byte{1}))
		_, err := sPong.Next(ctx)
		require.NoError(t, err)
	}
}

// A waker that stops half way must not hide the sleeper from the next one: whatever state it leaves
// the wake word in, a publish wakes the sleeper.
func TestWakerStoppedHalfWay(t *testing.T) {
	b := newBus(t, WithSlots(64))
	ctx := soon(t)
	s := subscribe(t, b, ">", Wait(Block))
	p := publisher(t, b, "a")
	got := make(chan error)
	for _, left := range []uint8{layout.Asleep, layout.Claimed} {
		go func() { _, err := s.Next(ctx); got <- err }()
		eventually(t, "asleep", asleep(t, b, 1))
		w := layout.Wake(atomic.LoadUint64(b.seg.Sub(s.index, layout.SubWake)))
		atomic.StoreUint64(b.seg.Sub(s.index, layout.SubWake), uint64(w.With(left)))
		require.NoError(t, p.PublishRaw(ctx, []byte{1}))
		require.NoError(t, <-got)
	}
}

// The record of a dead publisher is given to a new owner with another topic: whoever sleeps on the
// old one is woken, since the dead may have published and not woken.
func TestNewOwnerPaysTheDeadsWakeUp(t *testing.T) {
	b := newBus(t, WithSlots(64), WithPublishers(1))
	ctx := soon(t)
	s := subscribe(t, b, "old", Wait(Block))
	p := publisher(t, b, "old")
	got := make(chan error)
	go func() { _, err := s.Next(ctx); got <- err }()
	eventually(t, "asleep", asleep(t, b, 1))
	// It dies behind its exchange: published, nobody woken, its record owned by a client that is
	// gone.
	p.ring.Fill(0, []byte{1})
	p.ring.Rescan()
	require.Zero(t, p.ring.Exchange(p.whole+1, p.tag))
	dead := layout.MakeOwner(b.seg.Map.Geometry.Clients-1, 77, layout.OwnerHeld)
	atomic.StoreUint64(b.seg.Pub(0, layout.PubOwner), uint64(dead))
	require.True(t, asleep(t, b, 1)())
	q := publisher(t, b, "new")
	require.NoError(t, <-got)
	require.NoError(t, q.Close())
	p.lease.release = func() { b.dismiss(p.lease) } // its record is not its own any more
}

func TestThousandSubscriptions(t *testing.T) {
	b := newBus(t, WithSubscribers(1024), WithSlots(64))
	ctx, stop := context.WithCancel(soon(t))
	var wg sync.WaitGroup
	var n atomic.Int64
	for i := range 1000 {
		s := subscribe(t, b, fmt.Sprintf("t.%d", i%10), Wait(Block))
		wg.Go(func() {
			for {
				if _, err := s.Next(ctx); err != nil {
					return
				}
				n.Add(1)
			}
		})
	}
	p := publisher(t, b, "t.3")
	eventually(t, "all asleep", asleep(t, b, 1000))
	require.LessOrEqual(t, sleepingThreads(t), 2)
	require.NoError(t, p.Publish(ctx, 1))
	eventually(t, "delivery", func() bool { return n.Load() == 100 })
	stop()
	wg.Wait()
}
