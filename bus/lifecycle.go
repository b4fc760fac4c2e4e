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

// A lifecycle lets one call at a time use a publisher or a subscription, and lets Close, which any
// goroutine may call, wait for that call.
//
// If any goroutine may call, busy is a lock: a call takes it by compare-and-swap and gives it back
// with a plain store. A call that finds it taken waits in a queue (turn.go).
//
// If the publisher or subscription is exclusive, the one goroutine that may call needs two plain
// stores and two loads for each call: it stores busy and then loads alert. Close stores alert and
// then loads busy. A processor may delay a store past a later load. So Close has a barrier in every
// goroutine between its two steps: then the call sees alert, or Close sees busy.
type lifecycle struct {
	busy uint64 // 1 while a call is in progress
	// held is lent or encoding while code of the caller uses memory of the segment. Close does not
	// wait for it.
	held   uint64
	alert  atomic.Uint32 // closing, queued: each call checks them at its beginning and its end
	shared bool          // any goroutine may call; otherwise it is exclusive
	over   atomic.Bool   // the record is given back, or is being given back
	lease  *lease

	caller atomic.Uintptr   // the goroutine whose callback runs
	mu     sync.Mutex       // guards turns, and changes of alert
	turns  waitQueue[error] // calls that wait for busy; shared only
}

const (
	closing = 1 << iota
	queued  // a call waits for its turn
)

const (
	lent     = 1 + iota // a reservation is outstanding, or a callback runs
	encoding            // a value encodes itself into the slot, or has panicked while it did
)

func (g *lifecycle) isClosed() bool { return g.alert.Load()&closing != 0 }

// alive returns the error of a context, or ErrInvalid if it is nil.
func alive(ctx context.Context) error {
	if ctx == nil {
		return fmt.Errorf("%w: the context is nil (context.Background() never ends)", ErrInvalid)
	}
	return ctx.Err()
}

// ended returns why a context is done. It is never nil, whatever the context says.
func ended(ctx context.Context) error { return cmp.Or(ctx.Err(), context.Canceled) }

// enter begins a call, in its turn. After an error the call must touch neither the segment nor the
// state of the publisher or subscription.
func (g *lifecycle) enter(ctx context.Context) error {
	if err := alive(ctx); err != nil {
		return err
	}
	if g.shared {
		return g.takeTurn(ctx)
	}
	return g.enterAlone()
}

// enterAlone begins a call on an exclusive publisher or subscription.
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

// refuse ends a call on a publisher or subscription that is closed.
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

// hold and unhold begin and end a time for which Close does not wait: a reservation is outstanding,
// or a callback runs. If any goroutine may call, Close makes no barrier; then these stores are
// barriers themselves.
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

// finish gives the record back, once. If a call is in progress, finish returns false, and the end
// of that call gives the record back.
func (g *lifecycle) finish() bool {
	if !g.over.Load() {
		if atomic.LoadUint64(&g.held) != 0 {
			return false
		}
		if g.shared {
			if !atomic.CompareAndSwapUint64(&g.busy, 0, 1) { // and it stays so
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

// close ends the use of a publisher or subscription. It makes calls that wait return, by means of
// kick, and gives the record back. It waits for a call in progress, but not for a callback or a
// reservation, since the caller may itself run in that callback or hold that reservation.
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

// enterHeld is enter for a caller that has called hold. It returns false after Close. The record is
// still there then, and the caller must call exit in either case.
func (g *lifecycle) enterHeld() bool {
	fence.Store(&g.busy, 1)
	return !g.isClosed()
}
