package bus

import (
	"context"
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/fence"
	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/ring"
)

// This file holds the fast paths: publishing a frame that fits one slot, and receiving a message
// that is like the one before it. Both consist of steps of package ring, which the compiler inlines
// here; the steps have the numbers and letters of ring/doc.go. Between two exchanges each load and
// each store counts about twice, so these functions do nothing but
//
//	publish    one call at a time, the context each 64th time
//	           fill the owned slot; load the entry
//	           1–3  announce position, intent and pair     (plain stores to its own lines)
//	           4    compare and swap the entry             (the one locked instruction)
//	           5    settle the pair
//	           count; wake if a sleeper wants the topic
//	receive    one call at a time, the context each 64th time
//	           a    load the entry: is it the next position, with the tag of the message before?
//	           b    load the frame header and copy the frame
//	           c    load the entry again: unchanged means valid
//	           d    advance the cursor
//	           count
//
// Any other case restarts on the slow path. For publishing that is publish.go and, where the ring
// is full, room.go. For receiving it is, in this order, receive.go, look.go, wait.go and loss.go.

// PublishRaw publishes bytes that are one msgpack frame already; it does not check them. While the
// ring is full it waits for reliable subscribers until ctx ends, unless the publisher has [NoWait].
// After a [WakeupError] the frame is published, but a subscriber that sleeps could not be woken;
// after any other error it is not published.
func (p *Publisher) PublishRaw(ctx context.Context, frame []byte) error {
	n, info := len(frame), p.whole|layout.FrameInfo(len(frame))
	if uint(n)-1 >= p.fastAlone {
		if short, err := p.enterPublish(ctx, frame); !short {
			return err
		}
	} else {
		// Counting calls here would cost a twentieth of the throughput.
		if atomic.LoadUint64(&p.counts[0])%ctxEvery == 0 {
			if err := alive(ctx); err != nil {
				return p.fail("publish", err)
			}
		}
		if atomic.LoadUint64(&p.busy) != 0 {
			return ErrBusy
		}
		fence.Store(&p.busy, 1)
		if p.alert.Load() != 0 {
			return p.refuse()
		}
	}
	fault.At(fault.PublishEntered)
	r := &p.ring
	slot := r.NextSlot()
	if ring.ByWords(n) {
		slot.PutFront(frame)
		slot.PutBack(frame)
	} else {
		r.Fill(0, frame)
	}
	slot.PutHeader(info)
	loaded := r.Load()
	if !r.Usable(loaded) {
		return p.exchangeFilled(ctx, info)
	}
	r.Announce(slot, loaded)                      // steps 1, 2 and 3 of the protocol (package ring)
	if !r.CompareAndSwap(slot, loaded, p.label) { // step 4
		return p.lostRace(ctx, info)
	}
	r.Settle(slot, loaded) // step 5
	p.count(1, n)
	// Does a sleeper want the message? The compare-and-swap of step 4 keeps these loads after it.
	if atomic.LoadUint64(p.asleep)&atomic.LoadUint64(p.wants) != 0 ||
		atomic.LoadUint64(p.subHigh) > 64 || loaded.EndsLine() {
		return p.finishFast(loaded)
	}
	fault.At(fault.PublishDone)
	p.exit()
	return nil
}

// enterPublish begins a PublishRaw that has to take its turn, or that the fast path cannot publish.
// If short is true, the call continues on the fast path; otherwise it has ended.
func (p *Publisher) enterPublish(ctx context.Context, frame []byte) (short bool, err error) {
	short = uint(len(frame))-1 < p.fastRoom
	if short && p.shared && ctx != nil && ctx.Err() == nil && p.alert.Load() == 0 &&
		atomic.CompareAndSwapUint64(&p.busy, 0, 1) {
		p.ring.Resume()
		err = p.haveTurn()
		return err == nil, p.fail("publish", err)
	}
	if err := p.enter(ctx); err != nil {
		return false, p.fail("publish", p.behind(ctx, err))
	}
	if short && p.shared {
		p.ring.Resume()
		return true, nil
	}
	defer p.exit()
	fault.At(fault.PublishEntered)
	return false, p.fail("publish", p.publishSlow(ctx, frame))
}

// finishFast ends a PublishRaw that may have to wake a sleeper, or that has used the last entry of
// a line.
func (p *Publisher) finishFast(loaded ring.Loaded) (err error) {
	if loaded.EndsLine() {
		p.ring.Prefetch()
	}
	s, w := p.sleepers4, p.interest4
	if s == nil || w == nil || atomic.LoadUint64(&s[0])&atomic.LoadUint64(&w[0])|
		atomic.LoadUint64(&s[1])&atomic.LoadUint64(&w[1])|
		atomic.LoadUint64(&s[2])&atomic.LoadUint64(&w[2])|
		atomic.LoadUint64(&s[3])&atomic.LoadUint64(&w[3]) != 0 {
		err = p.wakeInterested(p.ring.Next() - 1)
	}
	fault.At(fault.PublishDone)
	p.exit()
	return err
}

// lostRace is the rest of PublishRaw after another publisher has used the position.
func (p *Publisher) lostRace(ctx context.Context, info layout.FrameInfo) error {
	p.ring.LostRace()
	return p.exchangeFilled(ctx, info)
}

// exchangeFilled is the rest of PublishRaw, on the slow path, once the slot is filled.
func (p *Publisher) exchangeFilled(ctx context.Context, info layout.FrameInfo) error {
	if p.ring.Exchange(info, p.tag) != ring.Done {
		return p.waitToExchange(ctx, info, info.Size())
	}
	err := p.published(info.Size())
	p.exit()
	return err
}

// Receive is [Subscription.Next] into a message of the caller. It uses the capacity of m.Raw, so
// that a loop with one message does not allocate. After an error the contents of m are undefined.
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
	// A message with the tag and the kind of the one before it needs no other checks.
	c := s.cur
	loaded := c.Load() // step a of the protocol (package ring)
	if !c.Tagged(loaded, s.match.Tag) {
		return s.receiveOther(ctx, m)
	}
	fault.At(fault.ReceivePeeked)
	frame := c.Locate(loaded) // step b
	n := frame.Info.Size()
	if frame.Info.Kind() != s.match.Kind || n > len(s.buf) {
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
	s.match.fill(m, at, s.buf[:n])
	if (at+1)&s.half == 0 {
		s.wakeBlocked()
	}
	s.count(1, n)
	s.exit()
	return nil
}

// takeMatch is the fast path of Receive for a subscription that any goroutine may call. It reports
// whether it has taken a message.
func (s *Subscription) takeMatch(m *Message) bool {
	c := s.cur
	loaded := c.Load()
	if !c.Tagged(loaded, s.match.Tag) {
		return false
	}
	fault.At(fault.ReceivePeeked)
	frame := c.Locate(loaded)
	n := frame.Info.Size()
	if frame.Info.Kind() != s.match.Kind || n > s.payload {
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
	s.match.fill(m, at, to)
	if (at+1)&s.half == 0 {
		s.wakeBlocked()
	}
	s.count(1, n)
	return true
}

// takeMatches is the fast path of ReceiveBatch. It receives messages one after the other into rest,
// while rest has room for the payload of a slot. It returns the number of messages, and how many
// bytes of rest they take.
func (s *Subscription) takeMatches(messages []Message, rest []byte) (n, used int) {
	c, room, total := s.cur, len(s.buf), 0
	for n < len(messages) && len(rest)-used >= room {
		loaded := c.Load()
		if !c.Tagged(loaded, s.match.Tag) {
			break
		}
		fault.At(fault.ReceivePeeked)
		frame := c.Locate(loaded)
		size := frame.Info.Size()
		if frame.Info.Kind() != s.match.Kind || size > room {
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
		s.match.fill(&messages[n], at, to)
		n, used, total = n+1, used+(size+7)&^7, total+size
		if (at+1)&s.half == 0 {
			s.wakeBlocked()
		}
	}
	if n > 0 {
		fault.At(fault.ReceiveTaken)
		s.count(n, total)
	}
	return n, used
}

// memory returns n bytes for the frame of m, where n is at most a slot's payload: the bytes of
// m.Raw, or the buffer of an exclusive subscription. m.Raw may be a view that the caller kept;
// memory never returns bytes of the segment.
func (s *Subscription) memory(m *Message, n int) []byte {
	switch {
	case !s.shared:
		return s.buf[:n]
	case cap(m.Raw) < n || segment.Mapped(m.Raw):
		m.Raw = make([]byte, n)
	}
	return m.Raw[:n]
}

// A fastMatch is what the fast path expects of the next message: a whole frame without a time, from
// the same publisher and on the same topic as the message before it, which was wanted.
type fastMatch struct {
	ring.Match
	topic string
}

// noKind is the kind of no message: a real kind has fewer bits.
const noKind = ^layout.FrameKind(0)

func noMatch() (l fastMatch) {
	l.Kind = noKind
	return l
}

func (l *fastMatch) fill(m *Message, position uint64, raw []byte) {
	// The fields are stored one by one: a composite literal would be built elsewhere and copied in
	// other units, whose loads the processor cannot forward from the stores.
	m.Topic, m.Raw, m.nanos = l.topic, raw, 0
	m.Position, m.Publisher = position, int(l.Kind.Publisher())
}
