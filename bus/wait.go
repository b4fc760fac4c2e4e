package bus

import (
	"context"
	"runtime"

	"shmbus/internal/fence"
	"shmbus/layout"
	"shmbus/ring"
)

// waitFor waits until there is a message, and takes it.
func (s *Subscription) waitFor(ctx context.Context, m *Message, inPlace bool) error {
	for tries := 1; ; tries++ {
		switch {
		case s.isClosed():
			return ErrClosed
		case s.seg.Removed():
			return ErrRemoved
		case s.cutOff():
			return s.lookLast(m, inPlace)
		}
		if tries == 1 {
			s.wakeBlocked()
			s.rest = 0
			s.bus.beginWait()
			s.pacing.caughtUp(s.stats.Received, s.wait)
		}
		// The context is looked at before the ring: who was stopped for longer than its time finds what came meanwhile.
		var ended error
		if tries%ctxEvery == 1 {
			ended = ctx.Err()
		}
		if ended == nil && !s.pause(tries) {
			if s.passive {
				s.doze()
			} else {
				if err := s.sleep(ctx); err != nil {
					return err
				}
				tries = 0
			}
			ended = ctx.Err()
		}
		if !inPlace && s.takeMatch(m) {
			return nil
		}
		if st, err := s.look(m, inPlace); st != idle {
			return err
		}
		if ended != nil {
			return ended
		}
	}
}

const (
	// idleLooks is how often a subscription that spins looks at the ring before it looks at anything else.
	idleLooks = 32
	// idleSpin is how often an adaptive subscription does that, idleYield how often it lets others
	// run in between, before it sleeps.
	idleSpin  = 12
	idleYield = 8
)

// pause lets time pass without sleeping, at most until there is something to look at, and reports false when it is time to
// sleep.
func (s *Subscription) pause(tries int) bool {
	switch s.wait {
	case Spin:
		s.cur.Await(idleLooks)
		return true
	case Yield:
		runtime.Gosched()
		return true
	case Block:
		return false
	default:
		switch {
		case tries <= idleSpin:
			s.cur.Await(idleLooks)
			return true
		case tries <= idleSpin+idleYield:
			runtime.Gosched()
			return true
		}
		return false
	}
}

// sleep sleeps until there may be something to do, in the order that package sleep asks for.
func (s *Subscription) sleep(ctx context.Context) error {
	s.bus.watch()
	if s.in.Stale() {
		s.in.Match()
	}
	s.sleeper.FallAsleep()
	defer s.sleeper.WakeUp(s.cur) // contexts are the caller's, and may panic
	// After the barrier of the sleeper bit: a publisher that blocks now sees the cursor, or is seen.
	s.wakeBlocked()
	if !s.lastLook() {
		return nil
	}
	s.sleeper.LookedAt(s.cur.Next())
	fence.Store(&s.stats.Sleeps, s.stats.Sleeps+1)
	fence.Store(s.seg.Sub(s.index, layout.SubSleeps), s.stats.Sleeps)
	return s.sleeper.Wait(ctx)
}

// lastLook reports whether there is nothing to stay awake for. What comes before the wake word and the bit are there wakes nobody,
// and what comes after it wakes.
func (s *Subscription) lastLook() bool {
	_, st := s.cur.Peek()
	return st == ring.Empty && !s.cur.Outdated() && !s.in.Stale() && !s.isClosed() && !s.seg.Removed()
}
