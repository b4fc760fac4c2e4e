//go:build linux

package main

import (
	"context"
	"errors"
	"time"

	"shmbus/bus"
	"shmbus/internal/testload"
)

// Sizes of a publisher's messages.
const (
	sizesSmall = iota // one slot
	sizesMixed        // one to ten
	sizesEqual        // three, and always the same
)

// A message is a stamp, and how many bytes carry it.
type message struct {
	testload.Stamp
	size int
}

// encoded is a frame that encodes itself as what it is.
type encoded []byte

func (e encoded) MarshalMsg(b []byte) ([]byte, error) { return append(b, e...), nil }

// exclusive reports whether the worker of the given ID uses the bus from one goroutine alone, which
// every other one does: all that it publishes comes from one record. Others' reservations have
// records of their own.
func exclusive(id uint32) bool { return id%2 == 0 }

// publish publishes numbered messages in bursts until the worker is to leave.
func (w *worker) publish() {
	b := w.open()
	opts := []bus.PublishOption{bus.Wait(w.Wait)}
	if exclusive(w.ID) {
		opts = append(opts, bus.Exclusive())
	}
	if w.NoWait {
		opts = append(opts, bus.NoWait())
	}
	if w.Stamp {
		opts = append(opts, bus.WithTime())
	}
	p, err := b.Publisher(topics[w.Topic], opts...)
	w.check(err)
	w.diary.set(wordPhase, phaseReady)
	room := b.Sizes().SlotPayload()
	var number uint64
	next := func() message {
		return message{testload.Stamp{Sender: w.ID, Number: number, Tag: uint16(w.Topic)}, w.size(room)}
	}
	for w.ctx.Err() == nil {
		for left := 1 + w.rnd.IntN(2*w.Burst); left > 0; left-- {
			var n int
			var err error
			if k := min(w.Batch, left); k > 1 && w.rnd.IntN(4) > 0 {
				var batch []message
				for i := range k {
					s := next()
					s.Number += uint64(i)
					batch = append(batch, s)
				}
				w.diary.set(wordBegun, number+uint64(k))
				n, err = w.publishBatch(p, batch)
				if err == nil && n != k {
					w.faultf("publish numbers %d to %d: %d were published without an error", number, number+uint64(k), n)
				}
				left -= k - 1
			} else {
				w.diary.set(wordBegun, number+1)
				n, err = w.publishOne(p, next())
			}
			number += uint64(n)
			w.diary.set(wordAcked, number)
			w.diary.set(wordBegun, number) // what was not published gives its number to the next
			switch {
			case err == nil, errors.Is(err, bus.ErrFull), errors.Is(err, context.DeadlineExceeded):
			case w.ctx.Err() != nil && errors.Is(err, context.Canceled):
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

// publishBatch publishes messages at once, and returns how many it has published.
func (w *worker) publishBatch(p *bus.Publisher, batch []message) (int, error) {
	ctx, cancel := w.patience()
	defer cancel()
	var frames [][]byte
	for _, s := range batch {
		frame := make([]byte, s.size)
		testload.Fill(frame, s.Stamp)
		frames = append(frames, frame)
	}
	return p.PublishBatch(ctx, frames)
}

// patience returns how long a call may wait for room.
func (w *worker) patience() (context.Context, func()) {
	if w.Timeout > 0 {
		return context.WithTimeout(w.ctx, w.Timeout)
	}
	return w.ctx, func() {}
}

func (w *worker) size(room int) int {
	if w.Stamp {
		room -= 8
	}
	small := testload.HeaderSize + w.rnd.IntN(room-testload.HeaderSize+1)
	switch n := w.rnd.IntN(20); {
	case w.Sizes == sizesEqual:
		return 250
	case w.Sizes == sizesSmall || n < 10:
		return small
	case n < 14:
		return 250
	case n < 19:
		return testload.HeaderSize + w.rnd.IntN(600)
	}
	return 1000
}

// publishOne publishes a message in one of the ways that there are, and returns how many it has
// published: none if it was given up.
func (w *worker) publishOne(p *bus.Publisher, s message) (n int, err error) {
	ctx, cancel := w.patience()
	defer cancel()
	how := w.rnd.IntN(20)
	if how < 15 {
		frame := make([]byte, s.size)
		testload.Fill(frame, s.Stamp)
		if how < 4 {
			return one(p.Publish(ctx, encoded(frame)))
		}
		return one(p.PublishRaw(ctx, frame))
	}
	r, err := p.Reserve(s.size)
	if err != nil {
		return 0, err
	}
	testload.Fill(r.Bytes(), s.Stamp)
	if how == 15 {
		w.rest(200 * time.Microsecond)
	}
	if how == 16 {
		r.Abort()
		return 0, nil
	}
	return one(r.Commit(ctx))
}

// one says how many messages a call has published that returned err.
func one(err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return 1, nil
}
