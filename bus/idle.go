package bus

import (
	"context"
	"runtime"
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/fence"
	"shmbus/layout"
	"shmbus/ring"
)

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

// sleep sleeps until there may be something to do. The order matters: first the wake word and the
// sleeper bit, by which publishers know, then the last look, and only after that a position from which it can be
// certified: a message that came before the bit was seen is found by that look and by nothing else.
func (s *Subscription) sleep(ctx context.Context) error {
	seg := s.seg
	s.bus.watch()
	if s.in.Stale() {
		s.in.Match()
	}
	bits, bit := seg.Header(layout.HeaderSleepers+8*(s.index/64)), uint64(1)<<(s.index%64)
	s.sleeper.fallAsleep()
	defer s.getUp(bits, bit) // contexts are the caller's, and may panic
	fault.At(fault.SleepWord)
	atomic.OrUint64(bits, bit)
	fault.At(fault.SleepBit)
	s.crossed() // behind a barrier: a publisher that blocks now sees the cursor, or is seen here
	if s.lastLook() {
		fault.At(fault.SleepLooked)
		s.sleeper.lookedAt(s.cur.Next())
		fault.At(fault.SleepPosition)
		fence.Store(&s.stats.Sleeps, s.stats.Sleeps+1)
		fence.Store(seg.Sub(s.index, layout.SubSleeps), s.stats.Sleeps)
		s.sleeper.sub = s.index
		err := s.bus.dorm.wait(ctx, s.sleeper, -1)
		fault.At(fault.SleepReturned)
		return err
	}
	return nil
}

// getUp ends a sleep, however it ended: who is marked as asleep is moved on, and does not keep what it has not read.
func (s *Subscription) getUp(bits *uint64, bit uint64) {
	s.wakeUp()
	fault.At(fault.SleepAwake)
	atomic.AndUint64(bits, ^bit)
	fault.At(fault.SleepOver)
}

// lastLook reports whether there is nothing to stay awake for. What comes before the wake word and the bit are there wakes nobody,
// and what comes after it wakes.
func (s *Subscription) lastLook() bool {
	_, st := s.cur.Peek()
	return st == ring.Empty && !s.cur.Outdated() && !s.in.Stale() && !s.isClosed() && !s.seg.Removed()
}

// wakeUp ends the sleep: below the position in the wake word there is nothing for this subscription. The cursor moves
// first, so that the gate never seems to go back; to go back would hold publishers for a moment and lose nothing (see
// [ring.Ring.Protected]).
func (s *Subscription) wakeUp() {
	for {
		w := layout.Wake(atomic.LoadUint64(s.sleeper.word))
		next := s.cur.Next() // near: see certifySub
		if p := w.Position(next); w.State() != layout.Awake && !w.IsNotYet() && int64(p-next) > 0 {
			s.cur.SetNext(p)
			fault.At(fault.SleepCursor)
		}
		if atomic.CompareAndSwapUint64(s.sleeper.word, uint64(w), uint64(w.With(layout.Awake))) {
			return
		}
	}
}
