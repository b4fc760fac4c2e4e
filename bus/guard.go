package bus

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"shmbus/ring/fence"
)

// A guard lets Close, called by any goroutine, wait for the one goroutine that uses a publisher or a
// subscription, at the price of two plain stores and a load for each call of the latter.
//
// The user announces itself in busy and then looks at closed; Close sets closed and then looks at busy. A store and
// a later load may trade places in the processor; stopping the world, which Close does between the two, is a
// barrier for every goroutine, so that one of them sees the other.
type guard struct {
	busy   uint64 // 1 while a call is in progress; written by the user only
	held   uint64 // 1 while a reservation is outstanding or a callback runs; written by the user only
	closed atomic.Bool

	mu      sync.Mutex
	release func() // gives the record back; runs once, with no call in progress
}

// enter begins a call. It is false when the guard is closed; the call must not touch the segment then.
func (g *guard) enter() bool {
	fence.Store(&g.busy, 1)
	return !g.closed.Load() || g.refuse()
}

// refuse ends a call that came too late.
func (g *guard) refuse() bool {
	g.exit()
	return false
}

// exit ends a call.
func (g *guard) exit() {
	fence.StoreRelease(&g.busy, 0)
	if g.closed.Load() {
		g.finish()
	}
}

// hold and unhold say that the user keeps a reservation, or is in a callback of its own.
func (g *guard) hold()   { fence.Store(&g.held, 1) }
func (g *guard) unhold() { fence.StoreRelease(&g.held, 0) }

func (g *guard) idle() bool {
	return atomic.LoadUint64(&g.busy) == 0 && atomic.LoadUint64(&g.held) == 0
}

// finish releases once, if no call is in progress; otherwise the end of that call will.
func (g *guard) finish() bool {
	if !g.idle() {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.release != nil {
		g.release()
		g.release = nil
	}
	return true
}

// close marks the guard closed and makes calls that wait return, by kick. It waits for a call in
// progress, but not for a callback or a reservation of the user's, which may be the very caller.
func (g *guard) close(kick func()) {
	g.closed.Store(true)
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms) // stops the world; see above
	for pause := time.Microsecond; !g.finish(); pause = min(2*pause, time.Millisecond) {
		kick()
		if atomic.LoadUint64(&g.held) != 0 {
			return
		}
		time.Sleep(pause)
	}
}

// enterHeld is enter for who holds already: when it is false, the record is still there, and exit must follow.
func (g *guard) enterHeld() bool {
	fence.Store(&g.busy, 1)
	return !g.closed.Load()
}
