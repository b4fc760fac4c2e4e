package bus

import (
	"context"

	"shmbus/ring"
	"shmbus/ring/fault"
	"shmbus/ring/fence"
)

// begin is the start of every receiving call.
func (s *Subscription) begin() error {
	if !s.enter() {
		return ErrClosed
	}
	if s.over != nil {
		s.exit()
		return s.over
	}
	if err := s.due; err != nil {
		s.due = nil
		s.exit()
		return err
	}
	fault.At(fault.ReceiveEntered)
	return nil
}

// Next returns the next message, waiting for it until ctx ends. Its Raw is valid until the next call
// on the subscription. A [*LossError] says that messages were lost; the next call goes on behind them.
func (s *Subscription) Next(ctx context.Context) (Message, error) {
	var m Message
	err := s.Receive(ctx, &m)
	return m, err
}

// Receive is [Subscription.Next] into a message of the caller's.
func (s *Subscription) Receive(ctx context.Context, m *Message) error {
	received := s.stats.Received
	fence.Store(&s.busy, 1)
	if s.closed.Load() || received%ctxEvery == 0 {
		return s.receive(ctx, m)
	}
	// The next message, if it is like the one before it: then no more is to be asked about it.
	c := s.cur
	sight := c.Sight()
	if !c.Tagged(sight, s.like.Tag) {
		return s.receive(ctx, m)
	}
	fault.At(fault.ReceivePeeked)
	find := c.Find(sight)
	n := find.Info.Size()
	if find.Info.Kind() != s.like.Kind || n > len(s.buf) {
		return s.receive(ctx, m)
	}
	if ring.Few(n) {
		find.Few(s.buf, n)
	} else {
		find.Copy(s.buf[:n])
	}
	fault.At(fault.ReceiveCopied)
	if !find.Stays(sight) {
		return s.receive(ctx, m)
	}
	at := c.Next()
	c.Advance()
	fault.At(fault.ReceiveTaken)
	s.like.message(m, at, s.buf[:n])
	if (at+1)&s.half == 0 {
		s.crossed()
	}
	s.count(1, n)
	s.exit()
	return nil
}

// takeAlike takes the next message if it is like the one before it.
func (s *Subscription) takeAlike(m *Message) bool {
	at := s.cur.Next()
	n, ok := s.cur.Take(s.like.Like, s.buf)
	if !ok {
		return false
	}
	fault.At(fault.ReceiveTaken)
	s.like.message(m, at, s.buf[:n])
	if (at+1)&s.half == 0 {
		s.crossed()
	}
	s.count(1, n)
	return true
}

// receive is Receive for the messages that are not like the one before, and for those that are not there yet.
func (s *Subscription) receive(ctx context.Context, m *Message) error {
	if err := s.begin(); err != nil {
		return err
	}
	if s.stats.Received%ctxEvery == 0 && ctx.Err() != nil {
		s.exit()
		return ctx.Err()
	}
	st, err := s.look(m, false)
	if st == idle {
		err = s.waitFor(ctx, m, false)
	}
	s.exit()
	return err
}

const ctxEvery = 64

// TryNext returns the next message, or [ErrEmpty] if there is none.
func (s *Subscription) TryNext() (Message, error) {
	var m Message
	if err := s.begin(); err != nil {
		return m, err
	}
	st, err := s.look(&m, false)
	if st == idle {
		s.crossed()
		switch {
		case s.seg.removed():
			err = ErrRemoved
		case s.cutOff():
			err = s.lookLast(&m, false)
		default:
			err = ErrEmpty
		}
	}
	s.exit()
	return m, err
}

// Read calls f with the next message in place, without copying it, waiting for it until ctx ends. The
// view and its Raw must not be used after f returns.
//
// A lossy subscription can be overtaken while f reads. Then what f read is not to be believed, and Read returns a
// [*LossError] after f has returned, whatever f returned. Otherwise it returns f's error.
func (s *Subscription) Read(ctx context.Context, f func(View) error) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.exit()
	var m Message
	st, err := s.look(&m, true)
	if st == idle {
		err = s.waitFor(ctx, &m, true)
	}
	if err != nil {
		return err
	}
	whole := m.Position == s.cur.Next() // otherwise it was assembled, and the cursor is behind it already
	e, seen := s.cur.Peek()
	s.hold()
	defer s.unhold()
	fault.At(fault.ReceiveInPlace)
	err = f(m)
	if !whole {
		return err
	}
	if seen != ring.Done || !s.cur.Holds(e) {
		return s.lapped()
	}
	s.advance()
	s.count(1, len(m.Raw))
	return err
}

// waitFor waits until there is a message, and takes it.
func (s *Subscription) waitFor(ctx context.Context, m *Message, inPlace bool) error {
	for tries := 1; ; tries++ {
		switch {
		case s.closed.Load():
			return ErrClosed
		case s.seg.removed():
			return ErrRemoved
		case s.cutOff():
			return s.lookLast(m, inPlace)
		}
		if tries == 1 {
			s.crossed()
			s.rest = 0
			s.bus.beginWait()
			s.trail.caughtUp(s.stats.Received, s.wait)
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
		if !inPlace && s.takeAlike(m) {
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
