package bus

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"shmbus/internal/fence"
)

// A guard lets one call at a time use a publisher or a subscription, and lets Close, called by any goroutine, wait for it.
//
// In the form for any goroutine busy is a lock: a call takes it by compare-and-swap, and gives it back
// with a plain store. Who finds it taken waits in a line (turn.go).
//
// In the exclusive form the one goroutine that may call stores busy without looking: two plain stores and two loads for each call.
// It announces itself in busy and then looks at alert; Close sets alert and then looks at busy. A store and
// a later load may trade places in the processor; a barrier in every goroutine, between the two steps of Close,
// makes one of them see the other.
type lifecycle struct {
	busy   uint64        // 1 while a call is in progress
	held   uint64        // lent, encoding: code of the caller's has memory of the segment; Close does not wait for it
	alert  atomic.Uint32 // closing, queued: what a call has to know at its beginning and its end
	shared bool          // for any goroutine
	over   atomic.Bool   // the record is given back, or is just being given back
	lease  *lease

	caller atomic.Uintptr   // the goroutine whose callback runs
	mu     sync.Mutex       // guards turns, and changes of alert
	turns  waitQueue[error] // who waits for busy; shared only
}

const (
	closing = 1 << iota
	queued  // somebody waits for a turn
)

const (
	lent     = 1 + iota // a reservation is outstanding, or a callback runs
	encoding            // a value encodes itself into the slot, or has panicked on the way
)

func (g *lifecycle) isClosed() bool { return g.alert.Load()&closing != 0 }

// alive returns the error of a context that a call begins with, be it that there is none.
func alive(ctx context.Context) error {
	if ctx == nil {
		return fmt.Errorf("%w: the context is nil (context.Background() never ends)", ErrInvalid)
	}
	return ctx.Err()
}

// ended returns why a context is done. It is an error, whatever the context says.
func ended(ctx context.Context) error { return cmp.Or(ctx.Err(), context.Canceled) }

// enter begins a call, in its turn. After an error the call must not touch the segment, nor the user's state.
func (g *lifecycle) enter(ctx context.Context) error {
	if err := alive(ctx); err != nil {
		return err
	}
	if g.shared {
		return g.takeTurn(ctx)
	}
	return g.enterAlone()
}

// enterAlone begins a call of the exclusive form.
func (g *lifecycle) enterAlone() error {
	if atomic.LoadUint64(&g.busy) != 0 {
		return ErrBusy
	}
	fence.Store(&g.busy, 1)
	if g.alert.Load() != 0 {
		return g.refuse()
	}
	return nil
}

// refuse ends a call that came too late.
func (g *lifecycle) refuse() error {
	g.exit()
	return ErrClosed
}

// exit ends a call.
func (g *lifecycle) exit() {
	fence.StoreRelease(&g.busy, 0)
	if g.alert.Load() != 0 {
		g.pass()
	}
}

// hold and unhold say that the user keeps a reservation, or is in a callback of its own, for which Close does not wait. In the shared
// form Close has no barrier: the store is one itself.
func (g *lifecycle) hold() {
	fence.Store(&g.held, lent)
	if g.shared {
		g.holdShared()
	}
}

func (g *lifecycle) unhold() {
	if g.shared {
		g.unholdShared()
		return
	}
	fence.StoreRelease(&g.held, 0)
}

//go:noinline
func (g *lifecycle) holdShared() { g.caller.Store(goroutine()) }

//go:noinline
func (g *lifecycle) unholdShared() {
	g.caller.Store(0)
	atomic.StoreUint64(&g.held, 0)
}

// finish gives the record back, once, if no call is in progress; otherwise the end of that call will.
func (g *lifecycle) finish() bool {
	if !g.over.Load() {
		if atomic.LoadUint64(&g.held) != 0 {
			return false
		}
		if g.shared {
			if !atomic.CompareAndSwapUint64(&g.busy, 0, 1) { // and never back
				return g.over.Load()
			}
		} else if atomic.LoadUint64(&g.busy) != 0 {
			return false
		}
		g.over.Store(true)
	}
	g.lease.end()
	return true
}

// close ends the use: it marks the guard closed, makes calls that wait return, by kick, and gives the record back.
// It waits for a call in progress, but not for a callback or a reservation of the user's, which may be the very caller.
func (g *lifecycle) close(kick func()) {
	if g.shut() {
		barrier()
	}
	g.await(kick)
}

// shut is the first step of close. It reports whether a barrier is needed before the second.
func (g *lifecycle) shut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.alert.Or(closing)
	for g.turns.serve(ErrClosed) {
	}
	return !g.shared
}

// await is the second step of close.
func (g *lifecycle) await(kick func()) {
	for pause := time.Microsecond; !g.finish(); pause = min(2*pause, time.Millisecond) {
		kick()
		if atomic.LoadUint64(&g.held) != 0 {
			return
		}
		time.Sleep(pause)
	}
}

// enterHeld is enter for who holds already: when it is false, the record is still there, and exit must follow.
func (g *lifecycle) enterHeld() bool {
	fence.Store(&g.busy, 1)
	return !g.isClosed()
}
