//go:build linux

package bustest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/bus/bustest"
)

// Inside a bubble the bus is made, published to and read on the bubble's clock.
func TestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bustest.New(t)
		s := subscribe(t, b, "heartbeat")
		p, err := b.Publisher("heartbeat", bus.WithTime())
		require.NoError(t, err)
		start := time.Now()
		go func() {
			for beat := time.Tick(time.Minute); ; {
				select {
				case <-beat:
					_ = p.Publish(t.Context(), "alive")
				case <-t.Context().Done():
					return
				}
			}
		}()
		time.Sleep(time.Hour + time.Second)
		beats := bustest.Drain(t, s)
		require.Len(t, beats, 60)
		require.True(t, beats[59].Time().Equal(start.Add(time.Hour)), "%v", beats[59].Time())

		time.AfterFunc(9*time.Second, func() { _ = b.Publish(t.Context(), "heartbeat", "early") })
		bustest.Expect(t, s, "early")
		require.Less(t, time.Since(start), time.Hour+11*time.Second)
	})
}

func TestExpectDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := subscribe(t, bustest.New(t), ">")
		start := time.Now()
		text := failure(t, func(t testing.TB) { bustest.Expect(t, s, 1) })
		require.Contains(t, text, "no message within 10s")
		require.GreaterOrEqual(t, time.Since(start), 10*time.Second)
	})
}

// A peer in a bubble is there, on the real clock.
func TestPeerInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bustest.New(t, bus.WithSlots(8))
		p, err := b.Publisher("orders", bus.NoWait())
		require.NoError(t, err)
		bustest.StartPeer(t, b, ">", 0).Stop()
		require.NotNil(t, fill(t, p, 9))
	})
}

// What the documentation says of calls that wait: they stop the clock, and end by a message or a
// cancellation.
func TestWaitingStopsTheClockOfABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bustest.New(t)
		s := subscribe(t, b, "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		results := make(chan error, 1)
		receive := func() {
			_, err := s.Next(ctx)
			results <- err
		}
		go receive()
		realSleep()
		require.NoError(t, ctx.Err(), "the timeout has passed")
		require.NoError(t, b.Publish(t.Context(), "a", 1))
		require.NoError(t, <-results)

		go receive()
		realSleep()
		cancel()
		require.ErrorIs(t, <-results, context.Canceled)
	})
}

// realSleep lets real time pass.
func realSleep() {
	rest := unix.NsecToTimespec(int64(100 * time.Millisecond))
	for unix.Nanosleep(&rest, &rest) == unix.EINTR {
	}
}
