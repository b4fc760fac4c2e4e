//go:build linux

package main

import (
	"context"
	"errors"

	"shmbus/bus"
)

// A subscriber reads, checks each message, and writes down what it got.
type subscriber struct {
	*worker
	s    *bus.Subscription
	wish wish
}

func (w *worker) subscribe() {
	b := w.open()
	opts := []bus.SubscribeOption{bus.Also(w.Patterns[1:]...), bus.Wait(w.Wait)}
	if exclusive(w.ID) {
		opts = append(opts, bus.Exclusive())
	}
	switch w.Policy {
	case "reliable":
		opts = append(opts, bus.Reliable())
	case "evict":
		opts = append(opts, bus.EvictAfter(w.Patience))
	case "demote":
		opts = append(opts, bus.DemoteAfter(w.Patience))
	}
	if w.Oldest {
		opts = append(opts, bus.FromOldest())
	}
	s, err := b.Subscribe(w.Patterns[0], opts...)
	w.check(err)
	u := subscriber{w, s, wishOf(w.Patterns)}
	u.diary.write(event{kind: evStart, a: s.Position(), b: u.head()})
	u.diary.set(wordPhase, phaseReady)
	if u.read() {
		u.drain()
	}
	stats := s.Stats()
	u.diary.write(event{kind: evEnd, a: s.Position(), b: stats.Received, c: stats.Lost})
	u.leave(b)
}

func (u subscriber) head() uint64 { return u.s.Position() + u.s.Lag() }

// read receives until the worker is to leave. It reports false when the subscription has ended by
// itself.
func (u subscriber) read() bool {
	var m bus.Message
	batch := make([]bus.Message, u.Batch)
	for n := 0; u.ctx.Err() == nil; n++ {
		var err error
		switch {
		case u.Batch > 0 && n%3 != 0:
			err = u.readBatch(batch[:1+u.rnd.IntN(u.Batch)])
		case u.InPlace && n%8 != 0:
			err = u.readInPlace()
		default:
			if err = u.s.Receive(u.ctx, &m); err == nil {
				u.deliver(u.examine(m))
			}
		}
		if err != nil && !u.note(err) {
			return false
		}
		if u.Slow > 0 && n%64 == 63 {
			u.rest(u.Slow)
		}
	}
	return true
}

// readBatch receives some messages at once. What happens to the ring while it examines them is none
// of their concern.
func (u subscriber) readBatch(batch []bus.Message) error {
	n, err := u.s.ReceiveBatch(u.ctx, batch)
	for _, m := range batch[:n] {
		u.deliver(u.examine(m))
	}
	return err
}

// readInPlace believes what it has read only after Read has returned.
func (u subscriber) readInPlace() error {
	var e event
	var bad error
	err := u.s.Read(u.ctx, func(v bus.View) error {
		e, bad = u.examine(bus.Message(v))
		return nil
	})
	if err == nil {
		u.deliver(e, bad)
	}
	return err
}

func (u subscriber) examine(m bus.Message) (event, error) {
	s, err := readFrame(m.Raw)
	if err == nil && (m.Topic != topics[s.Tag] || !u.wish[s.Tag]) {
		err = errors.New("a message of " + topics[s.Tag] + " arrived as one of " + m.Topic)
	}
	return event{kind: evDeliver, a: m.Position, b: uint64(s.Sender)<<32 | uint64(uint32(s.Number)), c: uint64(m.Publisher)<<32 | uint64(s.Tag)}, err
}

func (u subscriber) deliver(e event, err error) {
	if err != nil {
		u.faultf("position %d: %v", e.a, err)
	}
	u.diary.write(e)
}

// note writes down what came instead of a message. It reports false when nothing can follow.
func (u subscriber) note(err error) bool {
	var evicted *bus.EvictedError
	var loss *bus.LossError
	switch {
	case errors.As(err, &evicted):
		u.diary.write(event{evEvicted, evicted.Loss.From, evicted.Loss.To, evicted.Loss.Count, u.head()})
		if _, again := u.s.TryNext(); !errors.Is(again, bus.ErrEvicted) {
			u.faultf("after an eviction: %v", again)
		}
		return false
	case errors.As(err, &loss):
		u.diary.write(event{evLoss, loss.From, loss.To, loss.Count, u.head()})
	case u.ctx.Err() != nil && errors.Is(err, context.Canceled):
	default:
		u.faultf("receive at position %d: %v", u.s.Position(), err)
	}
	return true
}

// drain reads what there is already: all of it, once nobody publishes any more.
func (u subscriber) drain() {
	for n := 0; n < 200 || u.diary.get(wordFinal) != 0; n++ {
		m, err := u.s.TryNext()
		switch {
		case errors.Is(err, bus.ErrEmpty):
			return
		case err == nil:
			u.deliver(u.examine(m))
		case !u.note(err):
			return
		}
	}
}
