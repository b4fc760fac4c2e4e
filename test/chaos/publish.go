package main

import (
	"context"
	"errors"
	"time"

	"shmbus/bus"
)

// Sizes of a publisher's messages.
const (
	sizesSmall = iota // one slot
	sizesMixed        // one to ten
	sizesEqual        // three, and always the same
)

// encoded is a frame that encodes itself as what it is.
type encoded []byte

func (e encoded) MarshalMsg(b []byte) ([]byte, error) { return append(b, e...), nil }

// publish publishes numbered messages in bursts until the worker is to leave.
func (w *worker) publish() {
	b := w.open()
	opts := []bus.PublisherOption{bus.WaitBy(w.Wait)}
	if w.NoWait {
		opts = append(opts, bus.NoWait())
	}
	if w.Stamp {
		opts = append(opts, bus.WithTime())
	}
	p, err := b.Publisher(topics[w.Topic], opts...)
	w.check(err)
	w.diary.set(wordPhase, phaseReady)
	room := b.Geometry().SlotPayload()
	var number uint64
	for w.ctx.Err() == nil {
		for range 1 + w.rnd.IntN(2*w.Burst) {
			w.diary.set(wordBegun, number+1)
			done, err := w.publishOne(p, stamp{publisher: w.ID, number: number, topic: w.Topic, size: w.size(room)})
			switch {
			case err == nil && done:
				number++
				w.diary.set(wordAcked, number)
			case err == nil, errors.Is(err, bus.ErrFull), errors.Is(err, context.DeadlineExceeded):
				// Nothing was published: the number is used again.
				w.diary.set(wordBegun, number)
			case w.ctx.Err() != nil && errors.Is(err, context.Canceled):
				w.diary.set(wordBegun, number)
			default:
				w.faultf("publish number %d: %v", number, err)
			}
			if err != nil || w.ctx.Err() != nil {
				break
			}
		}
		w.rest(w.Rest)
	}
	w.leave(b)
}

func (w *worker) size(room int) int {
	if w.Stamp {
		room -= 8
	}
	small := frameHeader + w.rnd.IntN(room-frameHeader+1)
	switch n := w.rnd.IntN(20); {
	case w.Sizes == sizesEqual:
		return 250
	case w.Sizes == sizesSmall || n < 10:
		return small
	case n < 14:
		return 250
	case n < 19:
		return frameHeader + w.rnd.IntN(600)
	}
	return 1000
}

// publishOne publishes a message in one of the ways that there are. It reports false for one that was given up on purpose.
func (w *worker) publishOne(p *bus.Publisher, s stamp) (done bool, err error) {
	ctx := w.ctx
	if w.Timeout > 0 {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, w.Timeout)
		defer cancel()
	}
	how := w.rnd.IntN(20)
	if how < 15 {
		frame := make([]byte, s.size)
		fillFrame(frame, s)
		if how < 4 {
			return true, p.Publish(ctx, encoded(frame))
		}
		return true, p.PublishRaw(ctx, frame)
	}
	r, err := p.Reserve(s.size)
	if err != nil {
		return false, err
	}
	fillFrame(r.Bytes(), s)
	if how == 15 {
		w.rest(200 * time.Microsecond)
	}
	if how == 16 {
		r.Abort()
		return false, nil
	}
	return true, r.Commit(ctx)
}
