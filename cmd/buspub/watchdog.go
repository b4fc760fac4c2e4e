package main

import (
	"context"
	"sync/atomic"
	"time"
)

// A watchdog ends a context when one call takes too long. Unlike a deadline for each call it
// costs a call no timer.
type watchdog struct {
	calls atomic.Uint64 // odd while a call is in progress
}

// begin and end enclose a call.
func (w *watchdog) begin() { w.calls.Add(1) }
func (w *watchdog) end()   { w.calls.Add(1) }

// watch ends with ctx, or calls expired once after a call has taken d, or up to a quarter longer.
func (w *watchdog) watch(ctx context.Context, d time.Duration, expired func()) {
	tick := time.NewTicker(min(max(d/8, time.Millisecond), 250*time.Millisecond))
	defer tick.Stop()
	last, since := w.calls.Load(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, calls := time.Now(), w.calls.Load()
		switch {
		case calls != last || calls%2 == 0:
			last, since = calls, now
		case now.Sub(since) >= d:
			expired()
			return
		}
	}
}
