package sleep

import (
	"context"
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/layout"
	"shmbus/ring"
)

// A Subscriber is a subscriber record of this process that can sleep until there is something to
// read.
type Subscriber struct{ waiter }

// NewSubscriber returns the sleeping side of a subscriber record that this client owns.
func NewSubscriber(p *Parker, record int) *Subscriber {
	s := &Subscriber{newWaiter(p, p.seg.Sub(record, layout.SubWake), layout.HeaderSleepers, record)}
	s.record = record
	return s
}

// FallAsleep lets publishers wake this subscriber from now on. They do not certify it yet. The
// caller then takes its last look: no publisher wakes it for a message that came before this call.
func (s *Subscriber) FallAsleep() {
	fallAsleep(s.word)
	fault.At(fault.SleepWord)
	atomic.OrUint64(s.bits, s.bit)
	fault.At(fault.SleepBit)
}

// LookedAt says that the last look found nothing at position, the subscriber's cursor. From now on
// publishers may certify the subscriber.
func (s *Subscriber) LookedAt(position uint64) {
	fault.At(fault.SleepLooked)
	lookedAt(s.word, position)
	fault.At(fault.SleepPosition)
}

// Wait returns when somebody has woken the subscriber, [Subscriber.Unpark] was called, the context
// has ended, or, with an error, when it can no longer wait.
func (s *Subscriber) Wait(ctx context.Context) error {
	err := s.park(ctx, -1)
	fault.At(fault.SleepReturned)
	return err
}

// WakeUp ends the sleep, whatever ended the wait. Below the position in the wake word there is
// nothing for this subscriber. A subscriber that stayed marked as asleep would still be certified,
// and would lose messages that it has not read.
//
// The cursor moves first, so that the gate never seems to go back. That would hold publishers for
// a moment and lose nothing: see [ring.Ring.Protected].
func (s *Subscriber) WakeUp(cur *ring.Cursor) {
	for {
		w := layout.Wake(atomic.LoadUint64(s.word))
		next := cur.Next() // near the position: see maxSleep
		if p := w.Position(next); w.State() != layout.Awake && !w.IsNotYet() && int64(p-next) > 0 {
			cur.SetNext(p)
			fault.At(fault.SleepCursor)
		}
		if change(s.word, w, w.With(layout.Awake)) {
			break
		}
	}
	fault.At(fault.SleepAwake)
	atomic.AndUint64(s.bits, ^s.bit)
	fault.At(fault.SleepOver)
}
