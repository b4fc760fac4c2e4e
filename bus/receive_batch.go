package bus

import (
	"context"

	"shmbus/internal/segment"
)

// batchBytes is the most bytes that ReceiveBatch returns, unless its first message has more.
const batchBytes = 1 << 20

// ReceiveBatch waits for a message until ctx ends. It receives that message and those already
// published after it, up to len(messages) messages and about 1 MiB, and returns their number. It
// uses the capacity of each message's Raw, as [Subscription.Receive] does. If the subscription is
// [Exclusive], the Raw slices are valid until the next call on it, and a message that took several
// slots ends the batch unless it is the first.
//
// If an error follows messages already received, ReceiveBatch returns those messages, and the next
// call returns the error.
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
		return 1, nil // the subscription was closed meanwhile: the next call says so
	}
	n := 1 + s.more(messages[1:])
	s.exit()
	return n, nil
}

// receiveBatch is ReceiveBatch for a subscription that is not exclusive.
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

// more receives the messages of a batch after the first, one after the other into the buffer of the
// batch.
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
			// The next call takes the slow path, which returns the error.
			s.due, s.match.Kind = err, noKind
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

// apart reports whether a message was assembled from fragments, in a buffer that a later message
// reuses.
func (s *Subscription) apart(m *Message) bool { return !segment.SameStart(m.Raw, s.buf) }
