package bus

import (
	"context"

	"shmbus/layout"
	"shmbus/ring"
	"shmbus/ring/fault"
)

// PublishBatch publishes frames in their order, each as [Publisher.PublishRaw] would, and returns how many it has published: all of
// them, unless there is an error. It is faster than as many calls, because several frames are on their way at once.
// Subscribers see each as soon as it is published; those that sleep are woken every few frames.
func (p *Publisher) PublishBatch(ctx context.Context, frames [][]byte) (int, error) {
	if !p.enter() {
		return 0, ErrClosed
	}
	defer p.exit()
	fault.At(fault.PublishEntered)
	for done := 0; ; {
		if p.held == 0 && p.runs {
			n, from, st := p.ring.PublishRun(frames[done:], p.whole, p.tag)
			if n > 0 {
				for _, f := range frames[done : done+n] {
					p.count(len(f))
				}
				p.wakeInterested(from)
				done += n
			}
			if st != ring.Done {
				n := len(frames[done])
				if err := p.exchangeSlow(ctx, p.whole|layout.FrameInfo(n)); err != nil {
					return done, err
				}
				p.published(n)
				done++
				continue
			}
			if n > 0 {
				continue
			}
		}
		if done == len(frames) {
			return done, nil
		}
		if err := p.publishSlow(ctx, frames[done]); err != nil {
			return done, err
		}
		done++
	}
}

// ReceiveBatch receives into messages as many as there are, waiting for the first until ctx ends, and returns how many. Their Raw
// slices are valid until the next call on the subscription. With an error it returns 0: a loss behind some messages is
// reported by the next call.
func (s *Subscription) ReceiveBatch(ctx context.Context, messages []Message) (int, error) {
	if len(messages) == 0 {
		return 0, nil
	}
	if err := s.Receive(ctx, &messages[0]); err != nil {
		return 0, err
	}
	if s.held != nil && len(messages[0].Raw) > 0 && sameStart(messages[0].Raw, s.held.buf) {
		return 1, nil // it was put together in a buffer that the next of its kind gets
	}
	if !s.enter() {
		return 1, nil // closed just now: the next call says so
	}
	defer s.exit()
	room := (len(s.buf) + 7) &^ 7
	if len(s.batch) < (len(messages)-1)*room {
		s.batch = make([]byte, (len(messages)-1)*room)
	}
	n, at, total := 1, s.cur.Next(), 0
	for off := 0; n < len(messages); n++ {
		size, ok := s.cur.Take(s.like.Like, s.batch[off:off+len(s.buf)])
		if !ok {
			break
		}
		s.like.message(&messages[n], at, s.batch[off:off+size])
		off += (size + 7) &^ 7
		total += size
		if at++; at&s.stride == 0 {
			s.crossed()
		}
	}
	if n > 1 {
		fault.At(fault.ReceiveTaken)
		s.stats.Received += uint64(n - 2)
		s.stats.Bytes += uint64(total)
		s.count(0)
	}
	return n, nil
}
