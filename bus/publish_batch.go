package bus

import (
	"cmp"
	"context"
	"errors"

	"shmbus/internal/fault"
	"shmbus/layout"
	"shmbus/ring"
)

// PublishBatch publishes frames in their order, each as [Publisher.PublishRaw] does, and returns
// how many it has published: all of them, unless there is an error. It is faster than as many
// calls, because it fills several slots before it publishes the first of them. Subscribers see each
// frame as soon as it is published; sleepers are woken every few frames. With a [WakeupError] all
// frames are published.
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
	p.ring.CatchUp()  // so that sleepers woken by this call resume close to its messages
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
			from := p.ring.Next() // all messages of the run have this position or a later one
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
