package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A watchdog ends the context of a call that takes too long. Unlike a deadline for each call, it
// needs no timer for a call.
type watchdog struct {
	limit time.Duration
	calls atomic.Uint64 // odd while a call is in progress

	mu     sync.Mutex
	ctx    context.Context // the context of the calls; replaced after the watchdog ended it
	cancel context.CancelCauseFunc
	ended  uint64 // the call whose context was ended
}

// newWatchdog returns a watchdog for calls that may take limit, or up to a quarter longer. It
// watches until ctx ends.
func newWatchdog(ctx context.Context, limit time.Duration) *watchdog {
	w := &watchdog{limit: limit}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	go w.watch(ctx)
	return w
}

// do makes a call under a context that ends, with the cause errStuck, when the call has taken too
// long. If the context was ended for an earlier call, the call is made again with a new one. If
// this process was stopped or suspended for longer than the limit, what it waited for may have come
// meanwhile. So the last call is made under a context that lasts for lastLook.
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

// lastLook is the longest time of the last call: a few times the sleep of a publisher between two
// looks for room.
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
			since = now // do not end it again before the call had time for its last look
		}
	}
}
