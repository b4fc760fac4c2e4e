package bus

import (
	"cmp"
	"context"
	"errors"

	"shmbus/internal/fault"
	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/ring"
)

// PublishBatch publishes frames in their order, each as [Publisher.PublishRaw] would, and returns how many it has published: all of
// them, unless there is an error. It is faster than as many calls, because several frames are on their way at once.
// Subscribers see each as soon as it is published; those that sleep are woken every few frames. With a [WakeupError] all frames are published.
func (p *Publisher) PublishBatch(ctx context.Context, frames [][]byte) (int, error) {
	n, err := p.publishBatch(ctx, frames)
	return n, p.fail("publish", err)
}

func (p *Publisher) publishBatch(ctx context.Context, frames [][]byte) (int, error) {
	if err := p.enter(ctx); err != nil {
		return 0, p.behind(ctx, err)
	}
	defer p.exit()
	fault.At(fault.PublishEntered)
	p.ring.CatchUp()  // so that sleepers resume close to what is published now
	var unwoken error // the first WakeupError
	for done := 0; ; {
		if done > 0 && done < len(frames) {
			if p.ending() {
				return done, ErrClosed
			}
			if err := ctx.Err(); err != nil {
				return done, err
			}
		}
		if p.held != lent && p.runs {
			from := p.ring.Next() // no message of the run is before it
			n, left, st := p.ring.PublishRun(frames[done:], p.whole, p.tag)
			if n > 0 {
				size := 0
				for _, f := range frames[done : done+n] {
					size += len(f)
				}
				p.count(n, size)
				unwoken = cmp.Or(unwoken, p.wakeInterested(from))
				done += n
			}
			if st != ring.Done {
				if err := p.exchangeSlow(ctx, p.whole|layout.FrameInfo(left)); err != nil {
					return done, err
				}
				unwoken = cmp.Or(unwoken, p.published(left))
				done++
				continue
			}
			if n > 0 {
				continue
			}
		}
		if done == len(frames) {
			return done, unwoken
		}
		switch err := p.publishSlow(ctx, frames[done]); {
		case errors.Is(err, ErrNotWoken):
			unwoken = cmp.Or(unwoken, err)
		case err != nil:
			return done, err
		}
		done++
	}
}

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
		if !s.takeAlike(m) {
			st, err := s.look(m, false)
			if s.due = err; st != got {
				break
			}
		}
		size += len(m.Raw)
	}
	return n, nil
}

// apart reports whether a message was put together from fragments, in a buffer that the next but one may get.
func (s *Subscription) apart(m *Message) bool { return !segment.SameStart(m.Raw, s.buf) }

// more receives what is there behind the first message of a batch, one behind the other into the batch's buffer.
func (s *Subscription) more(messages []Message) (n int) {
	room := len(s.buf)
	if size := min(len(messages)*room, max(batchBytes, room)); len(s.batch) < size {
		s.batch = make([]byte, size)
	}
	for rest := s.batch; ; n++ {
		k, used := s.alike(messages[n:], rest)
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
			s.due, s.like.Kind = err, unlike // like nothing: the next call does not get past it
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

// alike receives messages that are like the one before, as [Subscription.Receive] does, one behind the other into rest, while it has
// room for a slot's payload. It returns how many, and the bytes of rest that they take.
func (s *Subscription) alike(messages []Message, rest []byte) (n, used int) {
	c, room, total := s.cur, len(s.buf), 0
	for n < len(messages) && len(rest)-used >= room {
		loaded := c.Load()
		if !c.Tagged(loaded, s.like.Tag) {
			break
		}
		fault.At(fault.ReceivePeeked)
		frame := c.Locate(loaded)
		size := frame.Info.Size()
		if frame.Info.Kind() != s.like.Kind || size > room {
			break
		}
		to := rest[used : used+size : used+size]
		if ring.ByWords(size) {
			frame.CopyWords(to, size)
		} else {
			frame.Copy(to)
		}
		fault.At(fault.ReceiveCopied)
		if !frame.Valid(loaded) {
			break
		}
		at := c.Next()
		c.Advance()
		s.like.message(&messages[n], at, to)
		n, used, total = n+1, used+(size+7)&^7, total+size
		if (at+1)&s.half == 0 {
			s.crossed()
		}
	}
	if n > 0 {
		fault.At(fault.ReceiveTaken)
		s.count(n, total)
	}
	return n, used
}
