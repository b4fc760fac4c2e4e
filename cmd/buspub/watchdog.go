package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A watchdog ends the context of a call that takes too long. Unlike a deadline for each call it
// costs a call no timer.
type watchdog struct {
	limit time.Duration
	calls atomic.Uint64 // odd while a call is in progress

	mu     sync.Mutex
	ctx    context.Context // of the calls; replaced after it was ended
	cancel context.CancelCauseFunc
	ended  uint64 // the call whose context was ended
}

// newWatchdog returns a watchdog for calls that may take limit, or up to a quarter longer. It watches until ctx ends.
func newWatchdog(ctx context.Context, limit time.Duration) *watchdog {
	w := &watchdog{limit: limit}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	go w.watch(ctx)
	return w
}

// do makes a call under a context that ends, with the cause errStuck, when the call has taken too long. A context that was meant for
// an earlier call is not held against this one. Stopped or suspended for longer than the limit, this process may find
// what it waited for: that is what the last call, under a context that lasts for lastLook, is for.
func (w *watchdog) do(parent context.Context, call func(context.Context) error) error {
	for {
		number := w.calls.Add(1)
		w.mu.Lock()
		ctx := w.ctx
		w.mu.Unlock()
		err := call(ctx)
		w.calls.Add(1)
		if err == nil || context.Cause(ctx) != errStuck {
			return err
		}
		w.mu.Lock()
		own := w.ended == number
		w.ctx, w.cancel = context.WithCancelCause(parent)
		w.mu.Unlock()
		if !own {
			continue
		}
		last, cancel := context.WithTimeoutCause(parent, lastLook, errStuck)
		err = call(last)
		if err != nil && context.Cause(last) == errStuck {
			err = fmt.Errorf("%w: %w", errStuck, err)
		}
		cancel()
		return err
	}
}

// lastLook is how long the last look may take: a few times what a publisher sleeps between two looks for room.
const lastLook = 10 * time.Millisecond

func (w *watchdog) watch(ctx context.Context) {
	tick := time.NewTicker(min(max(w.limit/8, time.Millisecond), 250*time.Millisecond))
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
		case now.Sub(since) >= w.limit:
			w.mu.Lock()
			w.ended = calls
			w.cancel(errStuck)
			w.mu.Unlock()
			since = now // not again before the call had the time for its last look
		}
	}
}
