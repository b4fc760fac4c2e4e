package bus

import (
	"context"

	"shmbus/internal/segment"
)

// batchBytes is how much ReceiveBatch takes at a time, if it is more than one message.
const batchBytes = 1 << 20

// ReceiveBatch receives into messages as many as there are, up to 1 MiB of them, waiting for the first until ctx ends, and returns how
// many. It uses the capacity of each message's Raw, as [Subscription.Receive] does; if the subscription is [Exclusive], their Raw slices are
// valid until the next call on it, and behind the first a message that took several slots is the last of its batch.
// If an error follows messages already received, ReceiveBatch returns those messages, and the next call returns the error.
func (s *Subscription) ReceiveBatch(ctx context.Context, messages []Message) (int, error) {
	if err := alive(ctx); err != nil || len(messages) == 0 {
		return 0, s.fail(err)
	}
	if s.shared {
		return s.receiveBatch(ctx, messages)
	}
	if err := s.Receive(ctx, &messages[0]); err != nil {
		return 0, err
	}
	if err := s.enterAlone(); err != nil {
		return 1, nil // closed just now: the next call says so
	}
	n := 1 + s.more(messages[1:])
	s.exit()
	return n, nil
}

// receiveBatch is ReceiveBatch for any goroutine.
func (s *Subscription) receiveBatch(ctx context.Context, messages []Message) (n int, err error) {
	if err := s.begin(ctx); err != nil {
		return 0, s.fail(err)
	}
	defer s.exit()
	if err := s.next(ctx, &messages[0], false); err != nil {
		return 0, s.fail(err)
	}
	size := len(messages[0].Raw)
	for n = 1; n < len(messages) && size < batchBytes; n++ {
		m := &messages[n]
		if !s.takeMatch(m) {
			st, err := s.look(m, false)
			if s.due = err; st != got {
				break
			}
		}
		size += len(m.Raw)
	}
	return n, nil
}

// more receives what is there behind the first message of a batch, one behind the other into the batch's buffer.
func (s *Subscription) more(messages []Message) (n int) {
	room := len(s.buf)
	if size := min(len(messages)*room, max(batchBytes, room)); len(s.batch) < size {
		s.batch = make([]byte, size)
	}
	for rest := s.batch; ; n++ {
		k, used := s.takeMatches(messages[n:], rest)
		n, rest = n+k, rest[used:]
		if n == len(messages) || len(rest) < room {
			return n
		}
		m, first := &messages[n], s.buf
		s.buf = rest[:room:room]
		st, err := s.look(m, false)
		last := st == got && s.apart(m)
		s.buf = first
		if err != nil {
			s.due, s.match.Kind = err, noKind // like nothing: the next call does not get past it
		}
		if last {
			return n + 1
		}
		if st != got {
			return n
		}
		m.Raw = m.Raw[:len(m.Raw):len(m.Raw)]
		rest = rest[(len(m.Raw)+7)&^7:]
	}
}

// apart reports whether a message was put together from fragments, in a buffer that the next but one may get.
func (s *Subscription) apart(m *Message) bool { return !segment.SameStart(m.Raw, s.buf) }
