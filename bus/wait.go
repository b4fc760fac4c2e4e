package bus

import (
	"context"
	"runtime"

	"shmbus/internal/fence"
	"shmbus/layout"
	"shmbus/ring"
)

// waitFor waits for a message and takes it. It ends when ctx ends, when the subscription is closed
// or evicted, and when the bus is removed.
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
			s.bus.member.BeginWait()
			s.pacing.caughtUp(s.stats.Received, s.wait)
		}
		// The context is checked before the ring. So a process that was stopped until after its
		// deadline receives what was published meanwhile.
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
	// idleLooks is the number of looks at the ring that a subscription makes while it spins, before
	// it checks anything else.
	idleLooks = 32
	// An adaptive subscription does that idleSpin times, then yields the processor idleYield times,
	// then sleeps.
	idleSpin  = 12
	idleYield = 8
)

// pause spins or yields for a moment, as the wait strategy says, and returns early if there is a
// new message. It returns false if it is time to sleep.
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

// sleep sleeps until there may be a message. Its steps and their order are those of package sleep.
func (s *Subscription) sleep(ctx context.Context) error {
	s.bus.member.PrepareToSleep()
	if s.in.Stale() {
		s.in.Match()
	}
	s.sleeper.FallAsleep()
	defer s.sleeper.WakeUp(s.cur) // a context may panic: it is code of the caller
	// The sleeper bit was set with a barrier. So a publisher that blocks now sees the cursor, or
	// this call sees that publisher.
	s.wakeBlocked()
	if !s.lastLook() {
		return nil
	}
	s.sleeper.LookedAt(s.cur.Next())
	fence.Store(&s.stats.Sleeps, s.stats.Sleeps+1)
	fence.Store(s.seg.Sub(s.index, layout.SubSleeps), s.stats.Sleeps)
	return s.sleeper.Wait(ctx)
}

// lastLook reports whether there is no reason to stay awake. A publisher that published before the
// wake word and the sleeper bit were set wakes nobody, so this look finds its message; later ones
// wake.
func (s *Subscription) lastLook() bool {
	_, st := s.cur.Peek()
	return st == ring.Empty && !s.cur.Outdated() && !s.in.Stale() && !s.isClosed() &&
		!s.seg.Removed()
}
