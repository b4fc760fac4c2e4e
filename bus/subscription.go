package bus

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"shmbus/internal/fault"
	"shmbus/internal/segment"
	"shmbus/internal/sleep"
	"shmbus/internal/topics"
	"shmbus/layout"
	"shmbus/ring"
)

// A Subscription receives the messages of the topics that match its patterns. Any number of
// goroutines may use it, and their calls take turns, unless it is [Exclusive]. Each message goes to
// one call.
type Subscription struct {
	lifecycle
	bus  *Bus
	seg  *segment.Segment
	cur  *ring.Cursor
	in   *topics.Interest
	frag collector

	index    int
	reliable bool
	// passive is true for an observer's subscription. It has no record and no semaphore, and writes
	// nothing to the segment.
	passive bool
	rest    time.Duration
	over    error // why the subscription ended
	due     error // the next call returns it
	wait    WaitStrategy
	match   fastMatch
	pacing  pacing
	sleeper *sleep.Subscriber
	stride  uint64 // mask of the positions at which skip stores the cursor: every eighth of a lap
	half    uint64 // mask of the positions at which blocked publishers are woken: every half lap
	// Receive checks the context if the count of messages has no bit of this mask.
	every   uint64
	payload int // bytes of a slot's payload

	// Memory that is lent to messages; exclusive only.
	held  *assembly
	buf   []byte // for a slot's payload
	batch []byte // for the messages of ReceiveBatch after the first

	stats    SubscriptionStats
	received *uint64
	bytes    *uint64
	lost     *uint64
	losses   *uint64

	patterns string // for error texts
}

// SubscriptionStats counts what a subscription did.
type SubscriptionStats struct {
	Received uint64 // messages
	Bytes    uint64 // bytes of these messages
	Lost     uint64 // positions lost
	Losses   uint64 // times that positions were lost
	Sleeps   uint64 // times that it slept
}

// Subscribe returns a subscription to all topics that match the pattern, present and future. Words
// of a pattern may be *, which matches one word, and the last may be >, which matches one or more.
func (b *Bus) Subscribe(pattern string, opts ...SubscribeOption) (*Subscription, error) {
	return b.subscribe(pattern, opts, b.newSubscription)
}

func (b *Bus) subscribe(pattern string, opts []SubscribeOption,
	begin func([]topics.Pattern, subscribeConfig) (*Subscription, error)) (*Subscription, error) {
	c := subscribeConfig{patterns: []string{pattern}}
	for _, o := range opts {
		if o != nil {
			o.subscribe(&c)
		}
	}
	fail := func(err error) (*Subscription, error) {
		return nil, opError("subscribe", b.name, strings.Join(c.patterns, " "), err)
	}
	if err := c.check(); err != nil {
		return fail(err)
	}
	patterns, err := parsePatterns(c.patterns)
	if err != nil {
		return fail(err)
	}
	if err := b.adopt(); err != nil {
		return fail(err)
	}
	s, err := begin(patterns, c)
	if err != nil {
		b.unref()
		return fail(err)
	}
	s.patterns = strings.Join(c.patterns, " ")
	s.share(!c.exclusive)
	b.enrol(lend(s.lease, s), weakly(s))
	return s, nil
}

// share makes the subscription one that any goroutine may use, or an exclusive one.
func (s *Subscription) share(shared bool) {
	s.shared, s.payload = shared, s.seg.Map.Geometry.SlotPayload()
	if !shared {
		s.buf, s.every = make([]byte, s.payload), ctxEvery-1
	}
}

func (b *Bus) newSubscription(patterns []topics.Pattern, c subscribeConfig) (*Subscription, error) {
	seg := b.seg
	if seg.Removed() {
		return nil, ErrRemoved
	}
	from, err := c.start.in(b.ring)
	if err != nil {
		return nil, err
	}
	i, err := b.member.TakeSubscriber()
	if err != nil {
		return nil, explainFull(seg, err)
	}
	atomic.StoreUint64(seg.Sub(i, layout.SubSince), uint64(time.Now().UnixNano()))
	atomic.StoreUint64(seg.Sub(i, layout.SubPolicy), c.policy)
	atomic.StoreUint64(seg.Sub(i, layout.SubPatience), uint64(c.patience))
	reliable := c.policy != layout.PolicyLossy
	fault.At(fault.SubscribeFilled)
	s := &Subscription{
		bus: b, seg: seg, in: topics.NewInterest(b.topics, i,
			patterns), index: i, reliable: reliable, wait: c.wait, match: noMatch(),
		cur:     b.ring.Join(i, from, reliable),
		frag:    newCollector(seg.Identity.Geometry.MaxFrame + layout.TimeSize),
		sleeper: sleep.NewSubscriber(b.member.Parker, i),
		stride:  uint64(seg.Map.Geometry.Slots/8 - 1),
		half:    uint64(seg.Map.Geometry.Slots/2 - 1),

		received: seg.Sub(i, layout.SubReceived),
		bytes:    seg.Sub(i, layout.SubBytes),
		lost:     seg.Sub(i, layout.SubLost),
		losses:   seg.Sub(i, layout.SubLosses),
	}
	// The cursor is set before the interest: a publisher that sees the interest publishes after the
	// start.
	s.in.Match()
	fault.At(fault.SubscribeMatched)
	// The patterns are stored last: WaitForSubscribers counts the subscription as soon as it sees
	// them.
	segment.SetText(seg.Text(seg.Map.Subscribers.At(i)+layout.SubPattern, layout.PatternSize),
		strings.Join(c.patterns, " "))
	l := new(lease)
	l.release = func() {
		b.member.FreeSubscriber(i)
		b.dismiss(l)
	}
	s.lease = l
	return s, nil
}

// in returns where to start in ring r.
func (s start) in(r *ring.Ring) (ring.Start, error) {
	switch s.kind {
	case 1:
		return ring.FromOldest(), nil
	case 2:
		if head := r.Head(); s.position > head {
			return ring.Start{}, fmt.Errorf("position %d is not published yet: the next is %d",
				s.position, head)
		}
		return ring.From(s.position), nil
	}
	return ring.FromNow(), nil
}

// Position returns the position of the next look.
func (s *Subscription) Position() uint64 { return s.cur.Position() }

// Lag returns the number of positions that are published and not read yet; 0 after Close.
func (s *Subscription) Lag() uint64 {
	if s.isClosed() || s.bus.adopt() != nil {
		return 0
	}
	defer s.bus.unref()
	at := s.cur.Position() // first, since the head only grows
	return s.bus.ring.Head() - at
}

// Stats returns the counts so far.
func (s *Subscription) Stats() SubscriptionStats {
	return SubscriptionStats{
		Received: atomic.LoadUint64(&s.stats.Received), Bytes: atomic.LoadUint64(&s.stats.Bytes),
		Lost: atomic.LoadUint64(&s.stats.Lost), Losses: atomic.LoadUint64(&s.stats.Losses),
		Sleeps: atomic.LoadUint64(&s.stats.Sleeps),
	}
}

// Close ends the subscription, and makes a call that waits return. It may be called more than once,
// and by any goroutine.
func (s *Subscription) Close() error {
	s.lifecycle.close(s.kick)
	return nil
}

func (s *Subscription) settle() { s.lifecycle.await(s.kick) }

// kick makes a call that waits look again.
func (s *Subscription) kick() {
	if !s.passive { // a passive subscription polls
		s.sleeper.Unpark()
	}
}
