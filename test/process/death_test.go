//go:build linux

package process

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/testload"
)

// Promise 3: when a reliable subscriber is killed that holds the ring full, publishers go on as
// soon as the kernel has reported its death, whether anybody watches, nobody does, or the watcher
// is stopped. 10 ms are the aim; ten times as much is a failure even on a busy machine.
func TestKilledSubscriberDelaysNobody(t *testing.T) {
	const rounds, limit = 20, 100 * time.Millisecond
	for _, tt := range []struct {
		name           string
		watch, stopped bool
	}{
		{"nobody watches", false, false},
		{"a watcher", true, false},
		{"a stopped watcher", true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBus(t, creation{Slots: ringSlots, SlotSize: 128, Publishers: 4})
			if tt.watch {
				w := startAll(t, job{Role: "watch", Bus: busName})[0]
				testload.Eventually(t, "the watcher does not listen", func() bool { return onSemaphores(w.PID()) == 1 })
				if tt.stopped {
					w.stop()
				}
			}
			f := newFeed(t, b, "death", 1, 64)
			ctx := deadline(t)
			var blocked, next distribution
			for round := range rounds {
				s := startAll(t, job{Role: "subscribe", Bus: busName, Patterns: []string{">"}, Policy: "reliable"})[0] // never told to go
				f.publish(ctx, ringSlots)
				if round%2 == 0 {
					// A publisher waits already.
					type result struct {
						at  time.Time
						err error
					}
					done := make(chan result, 1)
					go func() {
						err := f.try(ctx)
						done <- result{time.Now(), err}
					}()
					testload.Eventually(t, "the publisher does not wait", func() bool { return snapshot(t, b).Publishers[0].Waiting })
					killed := time.Now()
					s.signalKill()
					r := <-done
					require.NoError(t, r.err)
					blocked = append(blocked, r.at.Sub(killed))
				} else {
					short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
					require.ErrorIs(t, f.try(short), context.DeadlineExceeded)
					cancel()
					killed := time.Now()
					s.signalKill()
					f.publish(ctx, 1)
					next = append(next, time.Since(killed))
				}
				s.Kill()
			}
			t.Logf("a waiting publisher went on after: %v", blocked)
			t.Logf("the next publish was done after:    %v", next)
			require.Less(t, slices.Max(append(blocked, next...)), limit)
			require.NoError(t, f.p.Close())
			balance(t, b)
			require.Equal(t, uint64(rounds), snapshot(t, b).Deaths)
		})
	}
}

// A subscriber that is killed while it is stopped, or while it sleeps, delays nobody either.
func TestKilledInAnyStateDelaysNobody(t *testing.T) {
	for _, how := range []string{"stopped", "asleep", "reading"} {
		t.Run(how, func(t *testing.T) {
			b := newBus(t, creation{Slots: ringSlots, SlotSize: 128})
			s := startAll(t, job{Role: "subscribe", Bus: busName, Patterns: []string{"death.>"}, Policy: "reliable", Auto: how != "stopped", Pace: time.Hour,
				Wait: bus.Block})[0]
			f := newFeed(t, b, "death", 1, 64)
			ctx := deadline(t)
			switch how {
			case "stopped":
				s.stop()
			case "asleep":
				awaitAsleep(t, b, 1)
				s.stop()
			case "reading":
				awaitAsleep(t, b, 1)
				f.publish(ctx, 1)
				testload.Eventually(t, "it does not read", func() bool { return snapshot(t, b).Subscribers[0].Received == 1 })
			}
			for snapshot(t, b).Backlog < 1 {
				f.publish(ctx, 1)
			}
			short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
			require.ErrorIs(t, f.try(short), context.DeadlineExceeded)
			cancel()
			killed := time.Now()
			s.signalKill()
			f.publish(ctx, 10*ringSlots)
			took := time.Since(killed)
			t.Logf("%d messages later: %v", 10*ringSlots, took)
			require.Less(t, took, 200*time.Millisecond)
			s.Kill()
		})
	}
}

// Every death is counted once, however many notice it, and every watcher hears of it once.
func TestDeathsAreCountedOnce(t *testing.T) {
	const watchers, victims = 3, 24
	b := newBus(t, creation{Slots: ringSlots, SlotSize: 128})
	var jobs []job
	for i := range watchers {
		jobs = append(jobs, job{Role: "watch", Bus: busName, ID: i})
	}
	watching := startAll(t, jobs...)
	// Sleeping subscriptions hear the bell, too.
	startAll(t, job{Role: "sleepers", Bus: busName, Subs: 1, Topic: "x", Wait: bus.Block}, job{Role: "sleepers", Bus: busName, ID: 1, Subs: 1, Topic: "x"})
	awaitAsleep(t, b, 2)
	var dead []int
	for range victims / 4 {
		var vs []*worker
		for i := range 4 {
			vs = append(vs, start(t, job{Role: "wait", Bus: busName, ID: i, Patterns: []string{"x"}}))
		}
		for _, v := range vs {
			v.expect("ready")
			dead = append(dead, v.PID())
			v.signalKill()
		}
		for _, v := range vs {
			v.Kill()
		}
	}
	testload.Eventually(t, "not all deaths are noticed", func() bool { return snapshot(t, b).Deaths == victims })
	// A clean leave is none.
	for _, w := range startAll(t, job{Role: "wait", Bus: busName, Patterns: []string{"x"}}) {
		w.exit()
	}
	for _, w := range watching {
		w.exit()
		var reported []int
		for _, r := range w.seen("death") {
			reported = append(reported, r.Pid)
		}
		require.ElementsMatch(t, dead, reported, "deaths that %s heard of", w)
	}
	require.Equal(t, uint64(victims), snapshot(t, b).Deaths)
	require.Len(t, snapshot(t, b).Clients, 3, "this process and two sleepers")
}
