package bus

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// waits are all the calls that wait.
var waits = []struct {
	name string
	call func(t *testing.T, ctx context.Context, b *Bus) error
}{
	{"asleep", func(t *testing.T, ctx context.Context, b *Bus) error { return nextOf(t, ctx, b, Block) }},
	{"adaptive", func(t *testing.T, ctx context.Context, b *Bus) error { return nextOf(t, ctx, b, Adaptive) }},
	{"yielding", func(t *testing.T, ctx context.Context, b *Bus) error { return nextOf(t, ctx, b, Yield) }},
	{"spinning", func(t *testing.T, ctx context.Context, b *Bus) error { return nextOf(t, ctx, b, Spin) }},
	{"for room, asleep", func(t *testing.T, ctx context.Context, b *Bus) error { return roomOf(t, ctx, b, Block) }},
	{"for room, spinning", func(t *testing.T, ctx context.Context, b *Bus) error { return roomOf(t, ctx, b, Spin) }},
	{"for deaths", func(t *testing.T, ctx context.Context, b *Bus) error { return b.WatchDeaths(ctx, nil) }},
	{"in place", func(t *testing.T, ctx context.Context, b *Bus) error {
		s, err := b.Subscribe(">")
		require.NoError(t, err)
		return s.Read(ctx, func(View) error { return nil })
	}},
	{"observing", func(t *testing.T, ctx context.Context, b *Bus) error {
		o, err := Observe(b.Name(), WithDir(filepath.Dir(b.seg.Path)))
		require.NoError(t, err)
		defer o.Close()
		s, err := o.Subscribe(">")
		require.NoError(t, err)
		_, err = s.Next(ctx)
		return err
	}},
}

func nextOf(t *testing.T, ctx context.Context, b *Bus, w WaitStrategy) error {
	s, err := b.Subscribe("nothing", Wait(w))
	require.NoError(t, err)
	_, err = s.Next(ctx)
	return err
}

func roomOf(t *testing.T, ctx context.Context, b *Bus, w WaitStrategy) error {
	s, err := b.Subscribe(">", Reliable())
	require.NoError(t, err)
	defer s.Close()
	p, err := b.Publisher("a", Wait(w))
	require.NoError(t, err)
	for err == nil {
		err = p.PublishRaw(ctx, []byte{1})
	}
	return err
}

// A bus that is taken away in whatever manner, with nobody to announce it, ends every call that
// waits with ErrRemoved well before a second has passed (the aim is 100 ms), and can be made again
// under its name.
func TestTakenAway(t *testing.T) {
	for _, taken := range []struct {
		name string
		how  func(t *testing.T, b *Bus)
	}{
		{"ipcrm -m", func(t *testing.T, b *Bus) { require.NoError(t, sysvshm.FromID(b.ShmID()).Remove()) }},
		{"ipcrm -s", func(t *testing.T, b *Bus) { require.NoError(t, sysvsem.FromID(b.SemID()).Remove()) }},
		{"replaced", func(t *testing.T, b *Bus) {
			var other *Bus
			for err := error(ErrExists); errors.Is(err, ErrExists); { // a client that waits may write the key file again first
				require.NoError(t, os.Remove(b.seg.Path))
				other, err = Create(b.Name(), WithDir(filepath.Dir(b.seg.Path)), WithSlots(64))
				require.True(t, err == nil || errors.Is(err, ErrExists), "%v", err)
			}
			require.NoError(t, other.Close())
		}},
	} {
		for _, w := range waits {
			t.Run(taken.name+"/"+w.name, func(t *testing.T) {
				b := newBus(t, WithSlots(64))
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				defer cancel()
				t.Cleanup(func() { // an observer has no right to
					sysvshm.FromID(b.ShmID()).Remove()
					sysvsem.FromID(b.SemID()).Remove()
				})
				done := make(chan error, 1)
				go func() { done <- w.call(t, ctx, b) }()
				time.Sleep(50 * time.Millisecond) // it waits
				began := time.Now()
				taken.how(t, b)
				require.ErrorIs(t, <-done, ErrRemoved)
				t.Logf("after %v", time.Since(began).Round(time.Millisecond))
				require.Less(t, time.Since(began), time.Second)

				require.NoError(t, b.Close())
				again, _, err := OpenOrCreate(b.Name(), WithDir(filepath.Dir(b.seg.Path)), WithSlots(64))
				require.NoError(t, err)
				require.NoError(t, again.Close()) // and newBus removes it
			})
		}
	}
}

// The client that finds the removal tells the others: each of many would find it in time, but not
// soon.
func TestTakenAwayFromMany(t *testing.T) {
	const handles = 60
	b := newBus(t, WithSlots(64))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	known := make(chan time.Time, handles)
	for range handles {
		h := reopen(t, b)
		s, err := h.Subscribe("nothing", Wait(Block))
		require.NoError(t, err)
		go func() {
			_, err := s.Next(ctx)
			if !errors.Is(err, ErrRemoved) {
				t.Error(err)
			}
			known <- time.Now()
		}()
	}
	require.Eventually(t, func() bool {
		asleep := 0
		s, err := b.Snapshot()
		require.NoError(t, err)
		for _, sub := range s.Subscribers {
			if sub.Asleep {
				asleep++
			}
		}
		return asleep == handles
	}, 10*time.Second, time.Millisecond)
	began := time.Now()
	require.NoError(t, sysvshm.FromID(b.ShmID()).Remove())
	var last time.Time
	for range handles {
		if at := <-known; at.After(last) {
			last = at
		}
	}
	t.Logf("all know after %v", last.Sub(began))
	require.Less(t, last.Sub(began), time.Second)
}

// A key file that is missing says nothing about the bus: those who know it can go on.
func TestKeyFileMissing(t *testing.T) {
	b := newBus(t, WithSlots(64))
	s, err := b.Subscribe(">", Wait(Block))
	require.NoError(t, err)
	text, err := os.ReadFile(b.seg.Path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(b.seg.Path))
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err = s.Next(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, os.WriteFile(b.seg.Path, text, 0o600)) // for the end of the test
}
