package bus

import (
	"fmt"

	"shmbus/internal/fence"
	"shmbus/layout"
	"shmbus/ring"
)

// lapped moves the cursor past positions that were overwritten, and returns the loss.
func (s *Subscription) lapped() error {
	from, to := s.cur.Jump()
	s.frag.lost(to - from)
	loss := LossError{From: from, To: to, Count: to - from}
	s.countLoss(loss.Count)
	if s.cutOff() {
		return s.end(loss)
	}
	return &loss
}

func (s *Subscription) lossOf(from, to, count uint64) error {
	s.countLoss(count)
	return &LossError{From: from, To: to, Count: count}
}

func (s *Subscription) countLoss(n uint64) {
	fence.Store(&s.stats.Lost, s.stats.Lost+n)
	fence.Store(&s.stats.Losses, s.stats.Losses+1)
	fence.Store(s.lost, s.stats.Lost)
	fence.Store(s.losses, s.stats.Losses)
}

// unreadable decides what happened to the message of entry e, which was overwritten while it was
// read, or is damaged.
func (s *Subscription) unreadable(e layout.Entry, st ring.Status) (step, error) {
	if st == ring.Lapped {
		switch at, now := s.cur.Peek(); {
		case now == ring.Done && at != e:
			return again, nil
		case now != ring.Done:
			return gone, s.lapped()
		}
		// The entry is the same, but its slot has another position. Either the slot is that of a
		// message 2^32 laps later, or no correct program wrote the position.
		switch {
		case s.cur.Outdated():
			return gone, s.lapped()
		case s.bus.ring.Head() < s.cur.Next():
			return gone, s.strayed()
		}
	}
	return gone, s.damaged("its slot does not hold what the entry says")
}

// damaged passes over a message that no correct program published, and counts it as lost.
func (s *Subscription) damaged(format string, a ...any) error {
	p := s.cur.Next()
	s.frag.lost(1)
	s.countLoss(1)
	s.advance()
	return fmt.Errorf("%w: message at position %d: %s", ErrCorrupt, p, fmt.Sprintf(format, a...))
}

// strayed moves the cursor to the head if the next message cannot have the position of the cursor.
func (s *Subscription) strayed() error {
	from, head := s.cur.Next(), s.bus.ring.Head()
	s.cur.SetNext(head)
	s.frag.lost(1 << 62) // no unfinished frame can go on
	s.countLoss(0)
	return fmt.Errorf("%w: the subscription was at position %d, the next message gets %d: it "+
		"goes on from there", ErrCorrupt, from, head)
}

// cutOff reports whether the subscription was evicted: publishers no longer wait for it.
func (s *Subscription) cutOff() bool {
	return s.reliable && s.bus.ring.Gate(s.index).State() == layout.GateEvicted
}

// lookLast looks at the ring once more after a look found nothing and the subscription was evicted.
// So a message published in between is delivered, or counted as lost.
func (s *Subscription) lookLast(m *Message, inPlace bool) error {
	st, err := s.look(m, inPlace)
	if st == idle {
		next := s.cur.Next() // no position before it was lost
		return s.end(LossError{From: next, To: next})
	}
	return err
}

// end ends a subscription that was evicted.
func (s *Subscription) end(loss LossError) error {
	s.over, s.match.Kind = &EvictedError{loss}, noKind
	return s.over
}
