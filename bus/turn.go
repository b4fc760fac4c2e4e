package bus

import (
	"context"
	"sync/atomic"

	"shmbus/internal/fence"
)

// turnSpin is how often a call looks for its turn before it joins the line: most calls take less than that.
const turnSpin = 30

// takeTurn begins a call in the form for any goroutine.
func (g *lifecycle) takeTurn(ctx context.Context) error {
	if g.alert.Load() == 0 && atomic.CompareAndSwapUint64(&g.busy, 0, 1) {
		return g.haveTurn()
	}
	return g.waitForTurn(ctx)
}

// tryTurn is takeTurn for a call that does not wait. It returns ErrEmpty if others have their turn before it.
func (g *lifecycle) tryTurn() error {
	for range turnSpin {
		switch alert := g.alert.Load(); {
		case alert&closing != 0:
			return ErrClosed
		case g.caller.Load() == goroutine():
			return ErrBusy
		case alert == 0 && atomic.CompareAndSwapUint64(&g.busy, 0, 1):
			return g.haveTurn()
		}
		fence.Pause()
	}
	return ErrEmpty
}

// haveTurn is the end of every way to a turn.
func (g *lifecycle) haveTurn() error {
	if g.isClosed() {
		return g.refuse()
	}
	return nil
}

// waitForTurn waits until it is the caller's turn, the context ends or the guard is closed.
func (g *lifecycle) waitForTurn(ctx context.Context) error {
	if g.caller.Load() == goroutine() {
		return ErrBusy // it would wait for itself
	}
	for range turnSpin {
		if g.alert.Load() != 0 {
			break
		}
		if atomic.CompareAndSwapUint64(&g.busy, 0, 1) {
			return g.haveTurn()
		}
		fence.Pause()
	}
	done := ctx.Done() // contexts are the caller's, and may panic: a seat that is left so would be given the turn for ever
	seat := g.queueUp()
	select {
	case err := <-seat.given:
		if err != nil {
			return err
		}
		return g.haveTurn()
	case <-done:
	}
	g.mu.Lock()
	left := g.turns.leave(seat)
	g.noneQueued()
	g.mu.Unlock()
	if !left && <-seat.given == nil {
		g.exit() // it got its turn at the same moment
	}
	return ended(ctx)
}

// queueUp joins the line. The seat is given the turn, or the reason why there is none any more.
func (g *lifecycle) queueUp() *waiter[error] {
	g.mu.Lock()
	first := g.turns.empty()
	seat := g.turns.join()
	if g.isClosed() {
		g.turns.serve(ErrClosed)
	}
	g.alert.Or(queued)
	g.mu.Unlock()
	if first {
		// A call that just ends stores busy and then looks whether somebody is queued, without a barrier: behind this one it has seen that,
		// or its store is seen here.
		barrier()
		g.pass()
	}
	return seat
}

// pass gives the turn to the first in the line, if nobody has it, or gives the record back after Close.
func (g *lifecycle) pass() {
	if g.isClosed() {
		g.finish()
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.turns.empty() && atomic.CompareAndSwapUint64(&g.busy, 0, 1) {
		g.turns.serve(nil)
		g.noneQueued()
	}
}

// noneQueued takes back that somebody is queued, if nobody is.
func (g *lifecycle) noneQueued() {
	if g.turns.empty() {
		g.alert.And(^uint32(queued))
	}
}
