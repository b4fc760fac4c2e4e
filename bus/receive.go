package bus

import (
	"context"
	"fmt"
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/fence"
	"shmbus/internal/segment"
	"shmbus/ring"
)

// begin is the start of every receiving call.
func (s *Subscription) begin(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	return s.begun()
}

// begun is the rest of begin, once it is the call's turn.
func (s *Subscription) begun() error {
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

// Next returns the next message, waiting for it until ctx ends. Its Raw is the caller's, or, if the subscription is
// [Exclusive], valid until the next call on it. A [*LossError] says that messages were lost; the next call goes on behind them.
func (s *Subscription) Next(ctx context.Context) (Message, error) {
	var m Message
	err := s.Receive(ctx, &m)
	return m, err
}

// Receive is [Subscription.Next] into a message of the caller's, whose Raw it fills as far as its capacity goes. After
// an error the message is undefined.
func (s *Subscription) Receive(ctx context.Context, m *Message) error {
	received := atomic.LoadUint64(&s.stats.Received)
	if received&s.every == 0 || m == nil {
		return s.receive(ctx, m)
	}
	if atomic.LoadUint64(&s.busy) != 0 {
		return ErrBusy
	}
	fence.Store(&s.busy, 1)
	if s.alert.Load() != 0 {
		return s.refuse()
	}
	// The next message, if it is like the one before it: then no more is to be asked about it.
	c := s.cur
	loaded := c.Load() // step a of the protocol (package ring)
	if !c.Tagged(loaded, s.like.Tag) {
		return s.receiveOther(ctx, m)
	}
	fault.At(fault.ReceivePeeked)
	frame := c.Locate(loaded) // step b
	n := frame.Info.Size()
	if frame.Info.Kind() != s.like.Kind || n > len(s.buf) {
		return s.receiveOther(ctx, m)
	}
	if ring.ByWords(n) {
		frame.CopyWords(s.buf, n)
	} else {
		frame.Copy(s.buf[:n])
	}
	fault.At(fault.ReceiveCopied)
	if !frame.Valid(loaded) { // step c
		return s.receiveOther(ctx, m)
	}
	at := c.Next()
	c.Advance() // step d
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
	c := s.cur
	loaded := c.Load()
	if !c.Tagged(loaded, s.like.Tag) {
		return false
	}
	fault.At(fault.ReceivePeeked)
	frame := c.Locate(loaded)
	n := frame.Info.Size()
	if frame.Info.Kind() != s.like.Kind || n > s.payload {
		return false
	}
	to := s.memory(m, n)
	if ring.ByWords(n) {
		frame.CopyWords(to, n)
	} else {
		frame.Copy(to)
	}
	fault.At(fault.ReceiveCopied)
	if !frame.Valid(loaded) {
		return false
	}
	at := c.Next()
	c.Advance()
	fault.At(fault.ReceiveTaken)
	s.like.message(m, at, to)
	if (at+1)&s.half == 0 {
		s.crossed()
	}
	s.count(1, n)
	return true
}

// refuse ends a call that came too late.
func (s *Subscription) refuse() error { return s.fail(s.guard.refuse()) }

// memory returns where n bytes of message m go, no more than a slot's payload: to the subscription's buffer, or to what the caller
// has in m. That may be a view that was kept: a slot is not written to.
func (s *Subscription) memory(m *Message, n int) []byte {
	switch {
	case !s.shared:
		return s.buf[:n]
	case cap(m.Raw) < n || segment.Mapped(m.Raw):
		m.Raw = make([]byte, n)
	}
	return m.Raw[:n]
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
	if err := s.begun(); err != nil {
		return s.fail(err)
	}
	defer s.exit() // contexts are the caller's, and may panic
	return s.fail(s.next(ctx, m, false))
}

// next takes the next message, waiting for it until ctx ends.
func (s *Subscription) next(ctx context.Context, m *Message, inPlace bool) error {
	if s.shared && !inPlace && s.takeAlike(m) {
		return nil
	}
	st, err := s.look(m, inPlace)
	if st == idle {
		err = s.waitFor(ctx, m, inPlace)
	}
	return err
}

const ctxEvery = 64

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
	if err := s.begun(); err != nil {
		return m, s.fail(err)
	}
	st, err := s.look(&m, false)
	if st == idle {
		s.crossed()
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
