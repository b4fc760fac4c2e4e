package bus

import (
	"fmt"

	"shmbus/internal/fence"
	"shmbus/layout"
	"shmbus/ring"
)

// lapped moves on behind what was overwritten.
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

// unreadable is what happens to a message that was overwritten while it was read, or that is damaged.
func (s *Subscription) unreadable(e layout.Entry, st ring.Status) (step, error) {
	if st == ring.Lapped {
		switch at, now := s.cur.Peek(); {
		case now == ring.Done && at != e:
			return again, nil
		case now != ring.Done:
			return gone, s.lapped()
		}
		// The slot is of a time 2^32 laps later, or earlier, which no correct program makes, or somebody damaged its position.
		switch {
		case s.cur.Outdated():
			return gone, s.lapped()
		case s.bus.ring.Head() < s.cur.Next():
			return gone, s.strayed()
		}
	}
	return gone, s.damaged("its slot does not hold what the entry says")
}

// damaged passes over a message that no correct program published.
func (s *Subscription) damaged(format string, a ...any) error {
	p := s.cur.Next()
	s.frag.lost(1)
	s.countLoss(1)
	s.advance()
	return fmt.Errorf("%w: message at position %d: %s", ErrCorrupt, p, fmt.Sprintf(format, a...))
}

// strayed brings a subscription to the head whose position no message can have next.
func (s *Subscription) strayed() error {
	from, head := s.cur.Next(), s.bus.ring.Head()
	s.cur.SetNext(head)
	s.frag.lost(1 << 62) // no frame goes on
	s.countLoss(0)
	return fmt.Errorf("%w: the subscription was at position %d, the next message gets %d: it goes on from there", ErrCorrupt, from, head)
}

// cutOff reports whether publishers no longer wait for this subscription because its patience is over.
func (s *Subscription) cutOff() bool {
	return s.reliable && s.bus.ring.Gate(s.index).State() == layout.GateEvicted
}

// lookLast is for a subscription that looked, found nothing, and was found cut off then. What was published between the two is
// still delivered, or lost and counted.
func (s *Subscription) lookLast(m *Message, inPlace bool) error {
	st, err := s.look(m, inPlace)
	if st == idle {
		next := s.cur.Next() // nothing before it was lost
		return s.end(LossError{From: next, To: next})
	}
	return err
}

// end ends a subscription that was cut off.
func (s *Subscription) end(loss LossError) error {
	s.over, s.match.Kind = &EvictedError{loss}, noKind
	return s.over
}
