package bus

import (
	"context"
	"fmt"

	"shmbus/internal/fault"
	"shmbus/ring"
)

// Next returns the next message, waiting for it until ctx ends. Its Raw is the caller's, or, if the subscription is
// [Exclusive], valid until the next call on it. A [*LossError] says that messages were lost; the next call goes on behind them.
func (s *Subscription) Next(ctx context.Context) (Message, error) {
	var m Message
	err := s.Receive(ctx, &m)
	return m, err
}

// receive is Receive for any goroutine, and where more is to be looked at than the next message.
func (s *Subscription) receive(ctx context.Context, m *Message) error {
	if m == nil {
		return s.fail(fmt.Errorf("%w: the message is nil", ErrInvalid))
	}
	if err := s.enter(ctx); err != nil {
		return s.fail(err)
	}
	return s.receiveOther(ctx, m)
}

// receiveOther is the rest of Receive, once the call has begun, for the messages that are not like the one before, and for those that are not
// there yet.
func (s *Subscription) receiveOther(ctx context.Context, m *Message) error {
	if err := s.checkDue(); err != nil {
		return s.fail(err)
	}
	defer s.exit() // contexts are the caller's, and may panic
	return s.fail(s.next(ctx, m, false))
}

// next takes the next message, waiting for it until ctx ends.
func (s *Subscription) next(ctx context.Context, m *Message, inPlace bool) error {
	if s.shared && !inPlace && s.takeMatch(m) {
		return nil
	}
	st, err := s.look(m, inPlace)
	if st == idle {
		err = s.waitFor(ctx, m, inPlace)
	}
	return err
}

// TryNext returns the next message, or [ErrEmpty] if there is none, or if another goroutine is receiving.
func (s *Subscription) TryNext() (Message, error) {
	var m Message
	begin := s.enterAlone
	if s.shared {
		begin = s.tryTurn
	}
	if err := begin(); err != nil {
		return m, s.fail(err)
	}
	if err := s.checkDue(); err != nil {
		return m, s.fail(err)
	}
	st, err := s.look(&m, false)
	if st == idle {
		s.wakeBlocked()
		switch {
		case s.seg.Removed():
			err = ErrRemoved
		case s.cutOff():
			err = s.lookLast(&m, false)
		default:
			err = ErrEmpty
		}
	}
	s.exit()
	return m, s.fail(err)
}

// Read calls f with the next message in place, without copying it, waiting for it until ctx ends. The
// view and its Raw must not be used after f returns. Other calls on the subscription wait until then; one that
// f makes itself returns [ErrBusy]. If f panics, the message was not received.
//
// A lossy subscription can be overtaken while f reads. Then what f read is not to be believed, and Read returns a
// [*LossError] after f has returned, whatever f returned. Otherwise it returns f's error.
func (s *Subscription) Read(ctx context.Context, f func(View) error) error {
	if err := s.begin(ctx); err != nil {
		return s.fail(err)
	}
	defer s.exit()
	if f == nil {
		return s.fail(fmt.Errorf("%w: the callback is nil", ErrInvalid))
	}
	var m Message
	if err := s.next(ctx, &m, true); err != nil {
		return s.fail(err)
	}
	whole := m.Position == s.cur.Next() // otherwise it was assembled, and the cursor is behind it already
	e, seen := s.cur.Peek()
	s.hold()
	defer s.unhold()
	fault.At(fault.ReceiveInPlace)
	err := f(View(m))
	if !whole {
		return err
	}
	if seen != ring.Done || !s.cur.Unchanged(e) {
		return s.lapped()
	}
	s.advance()
	s.count(1, len(m.Raw))
	return err
}

// begin is the start of every receiving call.
func (s *Subscription) begin(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	return s.checkDue()
}

// checkDue is the rest of begin, once it is the call's turn.
func (s *Subscription) checkDue() error {
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

// refuse ends a call that came too late.
func (s *Subscription) refuse() error { return s.fail(s.lifecycle.refuse()) }

const ctxEvery = 64
