package bus

import (
	"context"
	"sync/atomic"

	"shmbus/internal/fence"
)

// turnSpin is the number of tries of a call to take its turn before it joins the queue. Most calls
// are shorter than these tries.
const turnSpin = 30

// takeTurn begins a call on a publisher or subscription that any goroutine may use.
func (g *lifecycle) takeTurn(ctx context.Context) error {
	if g.alert.Load() == 0 && atomic.CompareAndSwapUint64(&g.busy, 0, 1) {
		return g.haveTurn()
	}
	return g.waitForTurn(ctx)
}

// tryTurn is takeTurn for a call that does not wait. It returns ErrEmpty if another call has its
// turn.
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

// haveTurn is the last step of every way to get a turn. It returns ErrClosed if Close came first.
func (g *lifecycle) haveTurn() error {
	if g.isClosed() {
		return g.refuse()
	}
	return nil
}

// waitForTurn waits until it is the caller's turn, the context ends, or Close is called.
func (g *lifecycle) waitForTurn(ctx context.Context) error {
	if g.caller.Load() == goroutine() {
		return ErrBusy // a call from within a callback would wait for that callback
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
	// This call comes before queueUp: a context may panic, and an abandoned waiter would get the
	// turn.
	done := ctx.Done()
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
		g.exit() // the call got its turn at the same moment
	}
	return ended(ctx)
}

// queueUp joins the queue. The waiter is given nil when it has its turn, or the reason why it gets
// none.
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
		// A call that ends stores busy and then loads alert, without a barrier. After this barrier
		// either that call has seen that a call is queued, or its store is seen here.
		barrier()
		g.pass()
	}
	return seat
}

// pass gives the turn to the first waiter of the queue, if no call has the turn. After Close it
// gives the record back.
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

// noneQueued clears queued if the queue is empty.
func (g *lifecycle) noneQueued() {
	if g.turns.empty() {
		g.alert.And(^uint32(queued))
	}
}
