package bus

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"shmbus/layout"
	"shmbus/ring"
	"shmbus/ring/fence"
)

// A Subscription receives the messages of the topics that match its patterns. It is for one goroutine
// at a time, Close excepted.
type Subscription struct {
	guard
	bus  *Bus
	seg  *segment
	cur  *ring.Cursor
	in   *interest
	frag collector

	index    int
	reliable bool
	over     error // why the subscription ended
	wait     WaitStrategy
	sleeper  *sleeper
	stride   uint64 // mask of positions at which a reliable subscriber looks for blocked publishers: every eighth of a lap
	held     *assembly
	buf      []byte

	stats    SubscriptionStats
	received *uint64
	bytes    *uint64
	lost     *uint64
}

// SubscriptionStats counts what a subscription did.
type SubscriptionStats struct {
	Received uint64 // messages
	Bytes    uint64 // their bytes
	Lost     uint64 // positions
	Losses   uint64 // times that positions were lost
	Sleeps   uint64 // times that it slept
}

// Subscribe returns a subscription to all topics that match the pattern, present and future. Words of
// a pattern may be *, which matches one word, and the last may be >, which matches one or more.
func (b *Bus) Subscribe(pattern string, opts ...SubscribeOption) (*Subscription, error) {
	fail := func(err error) (*Subscription, error) { return nil, &OpError{"subscribe to", b.name, err} }
	c := subscribeConfig{patterns: []string{pattern}}
	for _, o := range opts {
		o(&c)
	}
	in, err := newInterest(c.patterns)
	if err != nil {
		return fail(err)
	}
	if err := b.adopt(); err != nil {
		return fail(err)
	}
	s, err := b.newSubscription(in, c)
	if err != nil {
		b.unref()
		return fail(err)
	}
	b.enrol(s)
	return s, nil
}

func (b *Bus) newSubscription(in *interest, c subscribeConfig) (*Subscription, error) {
	seg := b.seg
	if seg.removed() {
		return nil, ErrRemoved
	}
	if head := b.ring.Head(); c.start.kind == 2 && c.start.position > head {
		return nil, fmt.Errorf("position %d is not published yet: the next is %d", c.start.position, head)
	}
	i, err := b.takeSubscriber()
	if err != nil {
		return nil, err
	}
	setText(seg.text(seg.m.Subscribers.At(i)+layout.SubPattern, layout.PatternSize), joinPatterns(c.patterns))
	atomic.StoreUint64(seg.sub(i, layout.SubSince), uint64(time.Now().UnixNano()))
	atomic.StoreUint64(seg.sub(i, layout.SubPolicy), c.policy)
	atomic.StoreUint64(seg.sub(i, layout.SubPatience), uint64(c.patience))
	from := ring.FromNow()
	switch c.start.kind {
	case 1:
		from = ring.FromOldest()
	case 2:
		from = ring.From(c.start.position)
	}
	reliable := c.policy != layout.PolicyLossy
	s := &Subscription{
		bus: b, seg: seg, in: in, index: i, reliable: reliable, wait: c.wait,
		cur:     b.ring.Join(i, from, reliable),
		frag:    newCollector(seg.m.Geometry.MaxFrame + layout.TimeSize),
		sleeper: newSleeper(seg.sub(i, layout.SubWake)),
		stride:  uint64(seg.m.Geometry.Slots/8 - 1),
		buf:     make([]byte, seg.m.Geometry.SlotPayload()),

		received: seg.sub(i, layout.SubReceived),
		bytes:    seg.sub(i, layout.SubBytes),
		lost:     seg.sub(i, layout.SubLost),
	}
	// Who sees the interest can rely on the start: what is published from then on is received.
	in.match(b.topics, i)
	s.guard.release = func() {
		b.wipeSubscriber(i)
		atomic.StoreUint64(seg.sub(i, layout.SubOwner), 0)
		seg.wakeBlocked()
		b.dismiss(s)
	}
	return s, nil
}

func (b *Bus) takeSubscriber() (int, error) {
	seg, n := b.seg, b.seg.m.Geometry.Subscribers
	for i := range n {
		before, ok := seg.take(seg.sub(i, layout.SubOwner), b.client.owner(layout.OwnerHeld))
		if !ok {
			continue
		}
		seg.raiseHigh(layout.HeaderSubHigh, i)
		if before != 0 {
			b.wipeSubscriber(i)
		}
		return i, nil
	}
	return 0, &TableFullError{"subscribers", n, "busd --subscribers or WithSubscribers"}
}

// Position returns the position that is looked at next.
func (s *Subscription) Position() uint64 { return s.cur.Next() }

// Lag returns how many positions are published and not looked at yet.
func (s *Subscription) Lag() uint64 {
	if !s.enter() {
		return 0
	}
	defer s.exit()
	return s.bus.ring.Head() - s.cur.Next()
}

// Stats returns the counts so far. It is for the subscription's goroutine; others see them in [Bus.Snapshot].
func (s *Subscription) Stats() SubscriptionStats { return s.stats }

// Close ends the subscription and a call that waits. It may be called more than once, and by any goroutine.
func (s *Subscription) Close() error {
	s.guard.close(func() { s.bus.dorm.kick(s.sleeper) })
	return nil
}

// step is the outcome of a look at the ring.
type step uint8

const (
	got   step = iota // a message
	idle              // nothing for this subscription up to the head
	gone              // err says what
	again             // something was passed over
)

// look finds the next message that the subscription wants, without waiting. With inPlace a frame
// that fits its slot is not copied, and the cursor stays on it.
func (s *Subscription) look(m *Message, inPlace bool) (step, error) {
	for {
		e, st := s.cur.Peek()
		if st == ring.Done {
			if !s.in.all && !s.in.wantsTag(e.Tag()) {
				// The entry was loaded first: if its topic is new, the table's version says so.
				if s.in.stale(s.seg) {
					s.in.match(s.bus.topics, s.index)
				} else {
					s.skip()
				}
				continue
			}
			switch st, err := s.take(e, m, inPlace); st {
			case again:
				continue
			default:
				return st, err
			}
		}
		if st == ring.Empty {
			s.cur.SetNext(s.cur.Next())
			s.cur.CaughtUp()
			return idle, nil
		}
		return gone, s.lapped()
	}
}

// skip passes over a position.
func (s *Subscription) skip() {
	s.cur.Skip()
	if s.cur.Next()&s.stride == 0 {
		s.cur.SetNext(s.cur.Next())
		s.crossed()
	}
}

// advance releases a position, and wakes publishers that wait for room once in a while; before it idles, a
// subscription does that in any case.
func (s *Subscription) advance() {
	s.cur.Advance()
	if s.cur.Next()&s.stride == 0 {
		s.crossed()
	}
}

func (s *Subscription) crossed() {
	if s.reliable {
		s.seg.wakeBlocked()
	}
}

// take reads the message of entry e.
func (s *Subscription) take(e layout.Entry, m *Message, inPlace bool) (step, error) {
	var info layout.FrameInfo
	var payload []byte
	var st ring.Status
	if inPlace {
		if info, payload, st = s.cur.View(e); st == ring.Done {
			st = s.cur.Valid(e, info)
		}
	}
	// Fragments are put together in a buffer, so they are copied in any case.
	if !inPlace || st == ring.Done && info.Flags()&layout.FlagWhole != layout.FlagWhole {
		var n int
		if info, n, st = s.cur.Read(e, s.buf); st == ring.Done {
			payload = s.buf[:n]
		}
	}
	if st != ring.Done {
		return s.unreadable(st)
	}
	name, wanted, known := s.in.topic(info.Topic())
	if !known {
		s.in.match(s.bus.topics, s.index)
		if name, wanted, known = s.in.topic(info.Topic()); !known {
			return gone, s.damaged("it names topic %d, which there is not", info.Topic())
		}
	}
	if !wanted {
		s.skip()
		return again, nil
	}
	flags := info.Flags()
	if s.frag.pending() && flags&layout.FlagFirst != 0 {
		if owed := s.frag.settle(info.Publisher()); owed.count > 0 {
			return gone, s.lossOf(owed.from, s.cur.Next(), owed.count) // the message itself comes next
		}
	}
	*m = Message{Topic: name, Position: s.cur.Next(), Publisher: int(info.Publisher())}
	if flags&layout.FlagWhole != layout.FlagWhole {
		return s.fragment(info, payload, m)
	}
	if flags&layout.FlagTime != 0 {
		if len(payload) < layout.TimeSize {
			return gone, s.damaged("it has no room for its time")
		}
		payload = m.cutTime(payload)
	}
	m.Raw = payload
	if inPlace {
		return got, nil // the caller advances
	}
	s.advance()
	s.count(len(payload))
	return got, nil
}

func (m *Message) cutTime(payload []byte) []byte {
	n := len(payload) - layout.TimeSize
	m.nanos = int64(getUint64(payload[n:]))
	return payload[:n]
}

// fragment adds a fragment, which was copied and validated, to its frame.
func (s *Subscription) fragment(info layout.FrameInfo, payload []byte, m *Message) (step, error) {
	a, owed := s.frag.add(s.cur.Next(), info, payload)
	s.advance()
	if a != nil {
		if s.held != nil {
			s.frag.release(s.held)
		}
		s.held = a
		m.Raw = a.buf
		if info.Flags()&layout.FlagTime != 0 && len(a.buf) >= layout.TimeSize {
			m.Raw = m.cutTime(a.buf)
		}
		s.count(len(m.Raw))
		return got, nil
	}
	if owed.count > 0 {
		return gone, s.lossOf(owed.from, s.cur.Next(), owed.count)
	}
	return again, nil
}

func (s *Subscription) count(n int) {
	s.stats.Received++
	s.stats.Bytes += uint64(n)
	fence.Store(s.received, s.stats.Received)
	fence.Store(s.bytes, s.stats.Bytes)
}

func (s *Subscription) countLoss(n uint64) {
	s.stats.Lost += n
	s.stats.Losses++
	fence.Store(s.lost, s.stats.Lost)
	fence.Store(s.seg.sub(s.index, layout.SubLosses), s.stats.Losses)
}

func (s *Subscription) lossOf(from, to, count uint64) error {
	s.countLoss(count)
	return &LossError{From: from, To: to, Count: count}
}

// unreadable is what happens to a message that was overwritten while it was read, or that is damaged.
func (s *Subscription) unreadable(st ring.Status) (step, error) {
	if st == ring.Lapped {
		if _, now := s.cur.Peek(); now == ring.Done {
			return again, nil
		}
		return gone, s.lapped()
	}
	return gone, s.damaged("its slot does not hold what the entry says")
}

// damaged passes over a message that no correct program published.
func (s *Subscription) damaged(format string, a ...any) error {
	p := s.cur.Next()
	s.frag.lost()
	s.countLoss(1)
	s.advance()
	return fmt.Errorf("%w: message at position %d: %s", ErrCorrupt, p, fmt.Sprintf(format, a...))
}

// lapped moves on behind what was overwritten.
func (s *Subscription) lapped() error {
	from, to := s.cur.Jump()
	s.frag.lost()
	loss := LossError{From: from, To: to, Count: to - from}
	s.countLoss(loss.Count)
	if s.reliable && s.bus.ring.Gate(s.index).State() == layout.GateEvicted {
		s.over = &EvictedError{loss}
		return s.over
	}
	return &loss
}

func getUint64(b []byte) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// begin is the start of every receiving call.
func (s *Subscription) begin() error {
	if !s.enter() {
		return ErrClosed
	}
	if s.over != nil {
		s.exit()
		return s.over
	}
	return nil
}

// Next returns the next message, waiting for it until ctx ends. Its Raw is valid until the next call
// on the subscription. A [*LossError] says that messages were lost; the next call goes on behind them.
func (s *Subscription) Next(ctx context.Context) (Message, error) {
	var m Message
	err := s.Receive(ctx, &m)
	return m, err
}

// Receive is [Subscription.Next] into a message of the caller's.
func (s *Subscription) Receive(ctx context.Context, m *Message) error {
	if err := s.begin(); err != nil {
		return err
	}
	if s.stats.Received%ctxEvery == 0 && ctx.Err() != nil {
		s.exit()
		return ctx.Err()
	}
	st, err := s.look(m, false)
	if st == idle {
		err = s.waitFor(ctx, m, false)
	}
	s.exit()
	return err
}

const ctxEvery = 64

// TryNext returns the next message, or [ErrEmpty] if there is none.
func (s *Subscription) TryNext() (Message, error) {
	var m Message
	if err := s.begin(); err != nil {
		return m, err
	}
	st, err := s.look(&m, false)
	if st == idle {
		s.crossed()
		err = ErrEmpty
		if s.seg.removed() {
			err = ErrRemoved
		}
	}
	s.exit()
	return m, err
}

// Read calls f with the next message in place, without copying it, waiting for it until ctx ends. The
// view and its Raw must not be used after f returns.
//
// A lossy subscription can be overtaken while f reads. Then what f read is not to be believed, and Read returns a
// [*LossError] after f has returned, whatever f returned. Otherwise it returns f's error.
func (s *Subscription) Read(ctx context.Context, f func(View) error) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.exit()
	var m Message
	st, err := s.look(&m, true)
	if st == idle {
		err = s.waitFor(ctx, &m, true)
	}
	if err != nil {
		return err
	}
	whole := m.Position == s.cur.Next() // otherwise it was assembled, and the cursor is behind it already
	e, _ := s.cur.Peek()
	s.hold()
	defer s.unhold()
	err = f(m)
	if !whole {
		return err
	}
	if now, st := s.cur.Peek(); st != ring.Done || now != e {
		return s.lapped()
	}
	s.advance()
	s.count(len(m.Raw))
	return err
}

// waitFor waits until there is a message, and takes it.
func (s *Subscription) waitFor(ctx context.Context, m *Message, inPlace bool) error {
	for tries := 1; ; tries++ {
		switch {
		case s.closed.Load():
			return ErrClosed
		case s.seg.removed():
			return ErrRemoved
		case s.reliable && s.bus.ring.Gate(s.index).State() == layout.GateEvicted:
			head := s.bus.ring.Head()
			s.over = &EvictedError{LossError{From: head, To: head}}
			return s.over
		}
		if tries%ctxEvery == 1 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if tries == 1 {
			s.crossed()
		}
		if !s.pause(tries) {
			if err := s.sleep(ctx); err != nil {
				return err
			}
			tries = 0
		}
		if st, err := s.look(m, inPlace); st != idle {
			return err
		}
	}
}
