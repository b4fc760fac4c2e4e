package bus

import (
	"context"
	"fmt"

	"shmbus/internal/fault"
	"shmbus/ring"
)

// Next returns the next message, and waits for it until ctx ends. The caller owns its Raw; if the
// subscription is [Exclusive], Raw is valid until the next call on it. A [*LossError] says that
// messages were lost; the next call returns the message after them.
func (s *Subscription) Next(ctx context.Context) (Message, error) {
	var m Message
	err := s.Receive(ctx, &m)
	return m, err
}

// receive is the part of Receive that checks the message and the context, when the fast path is not
// taken.
func (s *Subscription) receive(ctx context.Context, m *Message) error {
	if m == nil {
		return s.fail(fmt.Errorf("%w: the message is nil", ErrInvalid))
	}
	if err := s.enter(ctx); err != nil {
		return s.fail(err)
	}
	return s.receiveOther(ctx, m)
}

// receiveOther is the slow path of Receive, once the call has its turn. It handles a message that
// differs in tag or kind from the one before it, and waits if there is no message yet. It ends the
// call.
func (s *Subscription) receiveOther(ctx context.Context, m *Message) error {
	if err := s.checkDue(); err != nil {
		return s.fail(err)
	}
	defer s.exit() // a context may panic: it is code of the caller
	return s.fail(s.next(ctx, m, false))
}

// next takes the next message, and waits for it until ctx ends.
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

// TryNext returns the next message. It returns [ErrEmpty] if there is none, or if another goroutine
// is receiving.
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

// Read waits for the next message until ctx ends, and calls f with a view of it in place, without a
// copy. The view and its Raw must not be used after f returns. Other calls on the subscription wait
// until f returns; a call by f itself returns [ErrBusy]. If f panics, the message counts as not
// received.
//
// Publishers can overwrite the message of a lossy subscription while f reads it, so f may read
// arbitrary bytes. Read then returns a [*LossError], whatever f returned. Otherwise Read returns
// the error of f.
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
	// If not whole, the message was assembled and the cursor is already past it.
	whole := m.Position == s.cur.Next()
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

// begin begins a receiving call, in its turn.
func (s *Subscription) begin(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	return s.checkDue()
}

// checkDue is the second half of begin. It returns the error that the previous call left for this
// one, or the reason why the subscription has ended.
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

// refuse ends a call on something that is closed.
func (s *Subscription) refuse() error { return s.fail(s.lifecycle.refuse()) }

const ctxEvery = 64
