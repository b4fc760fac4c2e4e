//go:build linux

package process

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/testload"
)

const ringSlots = 128

// heldBus returns a bus whose ring a stopped subscriber of the given policy holds full, and the
// feed that filled it.
func heldBus(t *testing.T, policy string, patience time.Duration, opts ...bus.PublishOption) (*bus.Bus, *worker, *feed) {
	t.Helper()
	b := newBus(t, creation{Slots: ringSlots, SlotSize: 128})
	s := startAll(t, job{Role: "subscribe", Bus: busName, Auto: true, Patterns: []string{">"}, Policy: policy, Patience: patience,
		Single: true, Every: policy == "reliable"})[0]
	s.stop()
	f := newFeed(t, b, "held", 1, 64, opts...)
	f.publish(deadline(t), ringSlots)
	return b, s, f
}

// Promise 5: a publisher that may not wait fails at once, and has published nothing; when there is
// room again it goes on, and nothing is lost.
func TestFullWithoutWaiting(t *testing.T) {
	b, s, f := heldBus(t, "reliable", 0, bus.NoWait())
	ctx := deadline(t)
	for range 100 {
		require.ErrorIs(t, f.try(ctx), bus.ErrFull)
	}
	require.Equal(t, uint64(ringSlots), snapshot(t, b).Head)
	s.cont()
	testload.Eventually(t, "the subscriber reads on and there is no room", func() bool { return f.try(ctx) == nil })
	require.NoError(t, f.p.Close())
	finish(t, b)
	require.Equal(t, f.next, s.expect("end").Seqs[1])
	s.exit()
}

// A publisher that waits gives up when its context ends, and has published nothing.
func TestFullUntilTheDeadline(t *testing.T) {
	for _, wait := range []bus.WaitStrategy{bus.Adaptive, bus.Block, bus.Yield, bus.Spin} {
		t.Run(wait.String(), func(t *testing.T) {
			b, s, f := heldBus(t, "reliable", 0, bus.Wait(wait))
			const limit = 50 * time.Millisecond
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			began := time.Now()
			require.ErrorIs(t, f.try(ctx), context.DeadlineExceeded)
			took := time.Since(began)
			require.Greater(t, took, limit-time.Millisecond)
			require.Less(t, took, limit+2*time.Second)
			require.Equal(t, uint64(ringSlots), snapshot(t, b).Head)
			s.cont()
			f.publish(deadline(t), 10*ringSlots)
			finish(t, b)
			require.Equal(t, f.next, s.expect("end").Seqs[1])
			s.exit()
		})
	}
}

// A reliable subscriber that is stopped delays publishers and nobody else: others receive what is
// there, join, leave and look.
func TestStoppedSubscriberDelaysPublishersOnly(t *testing.T) {
	b, s, f := heldBus(t, "reliable", 0)
	blocked := make(chan error, 1)
	go func() { blocked <- f.try(deadline(t)) }()
	testload.Eventually(t, "nobody waits for room", func() bool {
		for _, p := range snapshot(t, b).Publishers {
			if p.Waiting {
				return true
			}
		}
		return false
	})

	late, err := b.Subscribe(">", bus.FromOldest())
	require.NoError(t, err)
	for i := range uint64(ringSlots) {
		m, err := late.TryNext()
		require.NoError(t, err)
		require.Equal(t, i, m.Position)
	}
	_, err = late.TryNext()
	require.ErrorIs(t, err, bus.ErrEmpty)
	require.NoError(t, late.Close())
	other, err := bus.Open(busName)
	require.NoError(t, err)
	p, err := other.Publisher("held.2")
	require.NoError(t, err)
	require.NoError(t, p.Close())
	require.NoError(t, other.Close())
	select {
	case err := <-blocked:
		t.Fatalf("published into a full ring: %v", err)
	default:
	}
	s.cont()
	require.NoError(t, <-blocked)
	finish(t, b)
	require.Equal(t, f.next, s.expect("end").Seqs[1])
	s.exit()
}

// Promise 5: when the patience of a subscription is over, publishers go on; the subscription learns
// exactly what it lost, and has ended.
func TestEvict(t *testing.T) {
	for _, tt := range []struct {
		name string
		more int
		lost uint64
	}{
		{"and lost a little", 2, 2},
		{"and lost laps", 5 * ringSlots, 5 * ringSlots},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const patience = 100 * time.Millisecond
			b, s, f := heldBus(t, "evict", patience)
			ctx := deadline(t)
			began := time.Now()
			f.publish(ctx, 1)
			took := time.Since(began)
			require.Greater(t, took, patience-time.Millisecond)
			require.Less(t, took, patience+2*time.Second)
			t.Logf("patience %v, waited %v", patience, took)
			began = time.Now()
			f.publish(ctx, tt.more-1)
			require.Less(t, time.Since(began), 2*time.Second, "waited again")
			snap := snapshot(t, b)
			require.Equal(t, uint64(1), snap.Evictions)
			require.Equal(t, "evicted", snap.Subscribers[0].Gate)
			s.cont()
			r := s.expect("evicted")
			require.Zero(t, r.Received)
			require.Equal(t, tt.lost, r.Lost)
			require.Equal(t, uint64(0), r.From)
			require.Equal(t, snap.Oldest, r.To)
			require.Equal(t, tt.lost, r.To)
			s.exit()
		})
	}
}

// Promise 5: a publisher that does not wait cuts off a subscriber that does not move, when its
// patience is over, and not before.
func TestNoWaitEvicts(t *testing.T) {
	const patience = 100 * time.Millisecond
	b, s, f := heldBus(t, "evict", patience, bus.NoWait())
	ctx := deadline(t)
	began := time.Now()
	require.ErrorIs(t, f.try(ctx), bus.ErrFull)
	testload.Eventually(t, "a stopped subscriber holds a publisher that does not wait", func() bool { return f.try(ctx) == nil })
	require.Greater(t, time.Since(began), patience)
	snap := snapshot(t, b)
	require.Equal(t, uint64(1), snap.Evictions)
	require.Equal(t, "evicted", snap.Subscribers[0].Gate)
	s.cont()
	require.Equal(t, uint64(1), s.expect("evicted").Lost)
	s.exit()
}

// A subscriber that moves on has all of its patience after each message, however many wait for it
// all the time, and whether they do.
func TestSlowIsNotEvicted(t *testing.T) {
	const patience = time.Second
	b := newBus(t, creation{Slots: 8, SlotSize: 128})
	s := startAll(t, job{Role: "subscribe", Bus: busName, Auto: true, Patterns: []string{"held.>"}, Policy: "evict", Patience: patience, Pace: 10 * time.Millisecond, Every: true})[0]
	var jobs []job
	for i := range 4 {
		jobs = append(jobs, job{Role: "publish", Bus: busName, Auto: true, ID: i + 2, Topic: "held", Min: 16, Max: 64})
	}
	crowd := startAll(t, jobs...)
	f := newFeed(t, b, "held", 1, 64, bus.NoWait())
	ctx := deadline(t)
	full := 0
	for began := time.Now(); time.Since(began) < patience*3/2; time.Sleep(time.Millisecond) {
		if err := f.try(ctx); err != nil {
			require.ErrorIs(t, err, bus.ErrFull)
			full++
		}
	}
	require.NotZero(t, full)
	require.Zero(t, snapshot(t, b).Evictions)
	require.Empty(t, s.seen("evicted"))
	for _, w := range crowd {
		w.Kill()
	}
}

// Promise 5: a subscription that is demoted goes on as a lossy one, and learns exactly what it
// lost.
func TestDemote(t *testing.T) {
	const patience = 100 * time.Millisecond
	const more = 3*ringSlots + 7
	b, s, f := heldBus(t, "demote", patience)
	ctx := deadline(t)
	began := time.Now()
	f.publish(ctx, 1)
	took := time.Since(began)
	require.Greater(t, took, patience-time.Millisecond)
	require.Less(t, took, patience+2*time.Second)
	f.publish(ctx, more-1)
	require.Equal(t, "demoted", snapshot(t, b).Subscribers[0].Gate)
	s.cont()
	loss := s.expect("loss")
	require.Equal(t, uint64(more), loss.Lost)
	require.Equal(t, uint64(0), loss.From)
	require.Equal(t, uint64(more), loss.To)
	awaitAsleep(t, b, 1) // it has read what was held: the next message overwrites nothing that it wants
	finish(t, b)
	r := s.expect("end")
	require.Equal(t, f.next+1, r.Received+r.Lost)
	require.Equal(t, uint64(more), r.Lost)

	// It holds nobody back any more.
	s.stop()
	began = time.Now()
	f.publish(ctx, 10*ringSlots)
	require.Less(t, time.Since(began), 2*time.Second)
	s.cont()
	finish(t, b)
	r = s.expect("end")
	require.Equal(t, f.next+2, r.Received+r.Lost)
	s.exit()
}
