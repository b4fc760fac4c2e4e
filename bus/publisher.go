package bus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"shmbus/internal/fault"
	"shmbus/internal/fence"
	"shmbus/internal/segment"
	"shmbus/internal/sleep"
	"shmbus/layout"
	"shmbus/ring"
)

// A Publisher publishes on one topic. It may be used by any number of goroutines, whose calls take turns, unless it
// is [Exclusive].
//
// Publishing makes no allocation, no system call unless somebody interested is asleep or the ring is full, and
// one locked instruction for each slot. A publisher that is not exclusive needs one more for each call, and waits, by
// system calls at last, while other goroutines use it.
type Publisher struct {
	guard
	bus    *Bus
	seg    *segment.Segment
	ring   ring.Publisher
	parent *guard // of the publisher whose reservation this record is for; nil for others

	topic   string
	id      uint16
	tag     uint32
	label   layout.Entry // of the tag
	room    int          // bytes of a frame that fits one slot
	short   uint         // the same for PublishRaw's short way; 0 where there is none, as something is added to frames
	plain   uint         // the same where that way needs no turn: exclusive, without a reservation
	runs    bool         // what fits a slot needs nothing but to be copied there: several slots may be filled at once
	whole   layout.FrameInfo
	noWait  bool
	stamp   bool
	wait    WaitStrategy
	sleeper *sleep.Publisher

	interest []uint64 // who wants the topic, a bit for each subscriber
	sleepers []uint64 // who sleeps, as many words
	// The same where there is room for 256 subscriptions, the default: then neither a loop nor a call is needed.
	interest4, sleepers4 *[4]uint64
	asleep, wants        *uint64 // the first word of each
	subHigh              *uint64
	counts               *[2]uint64 // messages and bytes, in the record

	enc     encoder
	reserve Reservation
	stalls  stalls
	pooled  bool                      // it is one of the handle's pool, in which calls wait for it
	stuck   atomic.Pointer[FullError] // whom a call waits for, for the calls that wait for that one
}

// Publisher returns a new publisher on the topic, which it creates if need be.
func (b *Bus) Publisher(topic string, opts ...PublishOption) (*Publisher, error) {
	fail := func(err error) (*Publisher, error) { return nil, opError("publish", b.name, topic, err) }
	if err := CheckTopic(topic); err != nil {
		return fail(err)
	}
	var c publisherConfig
	for _, o := range opts {
		if o != nil {
			o.publisher(&c)
		}
	}
	if err := c.check(); err != nil {
		return fail(err)
	}
	if err := b.adopt(); err != nil {
		return fail(err)
	}
	p, err := b.newPublisher(topic, c)
	if err != nil {
		b.unref()
		return fail(err)
	}
	b.enrol(lend(p.lease, p), weakly(p))
	return p, nil
}

func (b *Bus) newPublisher(topic string, c publisherConfig) (*Publisher, error) {
	if b.seg.Removed() {
		return nil, ErrRemoved
	}
	id, err := b.topics.Open(topic, b.client.owner(layout.OwnerHeld))
	if err != nil {
		return nil, explainFull(b.seg, err)
	}
	p, err := b.newRecord(c)
	if err != nil {
		return nil, err
	}
	if err := p.announce(id); err != nil {
		b.freePublisher(p.ring.Index())
		return nil, err
	}
	p.turnTo(topic, id)
	return p, nil
}

// newRecord returns a publisher with a record of its own and no topic yet. The caller has adopted it.
func (b *Bus) newRecord(c publisherConfig) (*Publisher, error) {
	rp, err := b.takePublisher()
	if err != nil {
		return nil, explainFull(b.seg, err)
	}
	seg, i := b.seg, rp.Index()
	atomic.StoreUint64(seg.Pub(i, layout.PubSince), uint64(time.Now().UnixNano()))
	counts := seg.Pair(seg.Map.Publishers.At(i) + layout.PubMessages)
	atomic.StoreUint64(&counts[0], 0) // as they are, if the record was not damaged
	atomic.StoreUint64(&counts[1], 0)
	p := &Publisher{
		bus: b, seg: seg, ring: *rp,
		sleeper:  sleep.NewPublisher(b.parker, i),
		sleepers: seg.Row(layout.HeaderSleepers, seg.Map.Geometry.SubscriberWords()),
		subHigh:  seg.Header(layout.HeaderSubHigh),
		counts:   counts,
	}
	p.asleep = &p.sleepers[0]
	p.shared = !c.exclusive
	p.configure(c)
	if !p.shared {
		p.enc.init(seg)
	}
	l := new(lease)
	l.release = func() {
		b.freePublisher(i)
		b.dismiss(l)
	}
	p.lease = l
	return p, nil
}

// freePublisher gives a publisher record of this client's back.
func (b *Bus) freePublisher(i int) {
	b.wipePublisher(i, false)
	atomic.StoreUint64(b.seg.Pub(i, layout.PubOwner), 0)
	fault.At(fault.FreePublisher)
}

// configure makes the publisher publish as it is told to. It has no topic yet, or is turned to one next.
func (p *Publisher) configure(c publisherConfig) {
	g := &p.seg.Map.Geometry
	p.noWait, p.stamp, p.wait = c.noWait, c.time, c.wait
	p.room = min(g.SlotPayload(), g.MaxFrame)
	flags := uint8(layout.FlagWhole)
	if c.time {
		p.room = min(p.room, g.SlotPayload()-layout.TimeSize)
		flags |= layout.FlagTime
	}
	p.short = 0
	if !c.time {
		p.short = uint(p.room)
	}
	p.directly()
	p.runs = !c.time && p.room == g.SlotPayload()
	p.whole = layout.MakeFrameInfo(0, flags, uint16(p.ring.Index()), p.id)
}

// directly lets PublishRaw take its short way without a turn, if the publisher is exclusive.
func (p *Publisher) directly() {
	if !p.shared {
		p.plain = p.short
	}
}

// announce sees to it that everybody who wants topic id receives what is published on it from then on: every subscriber knows it, or
// looks for it before it misses a message. Nobody is asleep for the sake of a message of this publisher.
func (p *Publisher) announce(id int) error {
	p.ring.CatchUp()
	certified := sleep.Certify(p.seg, p.ring.Next(), p.ring.Index())
	fault.At(fault.PublisherCertified)
	woken := sleep.WakeUnmatched(p.seg, id)
	fault.At(fault.PublisherAnnounced)
	if err := errors.Join(woken, certified); err != nil {
		return fmt.Errorf("subscribers that sleep cannot be woken: %w", err)
	}
	return nil
}

// turnTo makes the publisher, which has none or another one, publish on a topic that is announced.
//
// Whoever wants the last message of the topic before has been woken: every publish ends with that. A certifier
// loads the intent before the topic. One that pairs the old intent with the new topic therefore passes over none who
// wants an old message and still sleeps.
func (p *Publisher) turnTo(topic string, id int) {
	seg, i := p.seg, p.ring.Index()
	if p.topic != "" {
		p.bus.flushCounts(i, int(p.id))
		fault.At(fault.PublisherCounted)
	}
	atomic.StoreUint64(seg.Pub(i, layout.PubTopic), uint64(id)+1)
	fault.At(fault.PublisherTopic)
	p.topic, p.id, p.tag = topic, uint16(id), layout.TopicTag(layout.TopicHash(topic))
	p.label = layout.MakeEntry(0, p.tag, 0)
	p.whole = layout.MakeFrameInfo(0, p.whole.Flags(), uint16(i), p.id)
	p.interest = seg.Interest(id)
	p.wants = &p.interest[0]
	if len(p.sleepers) == 4 {
		p.interest4, p.sleepers4 = (*[4]uint64)(p.interest), (*[4]uint64)(p.sleepers)
	}
}

// takePublisher takes a publisher record that is free, or, where none is, one whose owner is dead: only then is the kernel asked who
// lives.
func (m *member) takePublisher() (*ring.Publisher, error) {
	seg, n := m.seg, m.seg.Map.Geometry.Publishers
	me := m.client.owner(layout.OwnerHeld)
	var passed error // why records that are free were passed over
	take := func(i int, before layout.Owner) *ring.Publisher {
		w := seg.Pub(i, layout.PubOwner)
		if !seg.TakeFrom(w, before, me) {
			return nil
		}
		fault.At(fault.PublisherTaken)
		seg.RaiseHigh(layout.HeaderPubHigh, i)
		if before != 0 {
			m.wipePublisher(i, true)
			fault.At(fault.PublisherWiped)
		}
		rp, err := m.ring.Publisher(i)
		if err == nil {
			fault.At(fault.PublisherSettled)
			return rp
		}
		atomic.StoreUint64(w, 0)
		if errors.Is(err, ring.ErrCorrupt) {
			err = fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		passed = errors.Join(passed, err)
		return nil
	}
	for i := range n {
		if atomic.LoadUint64(seg.Pub(i, layout.PubOwner)) == 0 {
			if rp := take(i, 0); rp != nil {
				return rp, nil
			}
		}
	}
	alive := seg.Census()
	for i := range n {
		if before := layout.Owner(atomic.LoadUint64(seg.Pub(i, layout.PubOwner))); before != 0 && before != me && !alive(before) {
			if rp := take(i, before); rp != nil {
				return rp, nil
			}
		}
	}
	return nil, &segment.FullError{Table: "publishers", Unfit: passed}
}

// Topic returns the topic.
func (p *Publisher) Topic() string { return p.topic }

// Index returns the number of the publisher's record, which messages carry as their publisher.
func (p *Publisher) Index() int { return p.ring.Index() }

// MaxFrame returns the size in bytes of the largest frame that the bus takes.
func (p *Publisher) MaxFrame() int { return p.seg.Map.Geometry.MaxFrame }

// tooLarge returns the error for a frame of n bytes, or of more than that.
func tooLarge(s *segment.Segment, n int) error {
	g := s.Map.Geometry
	e := &TooLargeError{Size: n, Max: g.MaxFrame}
	if e.Max == g.Carries() {
		e.Slots, e.SlotSize = g.Slots, g.SlotSize
	}
	return e
}

// Close gives the publisher's record back. It may be called more than once, and by any goroutine.
func (p *Publisher) Close() error {
	p.guard.close(p.kick)
	return nil
}

func (p *Publisher) settle() { p.guard.await(p.kick) }

// kick makes a call that waits look again.
func (p *Publisher) kick() { p.sleeper.Unpark() }

// refuse ends a call that came too late.
func (p *Publisher) refuse() error { return p.fail("publish", p.guard.refuse()) }

// ending reports whether a call that waits is to end with ErrClosed.
func (p *Publisher) ending() bool { return p.isClosed() || p.parent != nil && p.parent.isClosed() }

// PublishRaw publishes bytes that are one msgpack frame already; it does not look into them. It waits for reliable
// subscribers while the ring is full, until ctx ends, unless the publisher has [NoWait]. A [WakeupError] says that the frame is
// published, but not everybody who sleeps could be woken for it; after any other error it is not published.
func (p *Publisher) PublishRaw(ctx context.Context, frame []byte) error {
	n, info := len(frame), p.whole|layout.FrameInfo(len(frame))
	if uint(n)-1 >= p.plain {
		if short, err := p.enterRaw(ctx, frame); !short {
			return err
		}
	} else {
		if atomic.LoadUint64(&p.counts[0])%ctxEvery == 0 { // a counter of its own would cost a twentieth of the throughput
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
		return p.exchangeRaw(ctx, info)
	}
	r.Announce(slot, loaded)                      // steps 1, 2 and 3 of the protocol (package ring)
	if !r.CompareAndSwap(slot, loaded, p.label) { // step 4
		return p.lostRace(ctx, info)
	}
	r.Settle(slot, loaded) // step 5
	p.count(1, n)
	// Is somebody to be woken? The compare-and-swap orders the loads behind the exchange.
	if atomic.LoadUint64(p.asleep)&atomic.LoadUint64(p.wants) != 0 || atomic.LoadUint64(p.subHigh) > 64 || loaded.EndsLine() {
		return p.afterRaw(loaded)
	}
	fault.At(fault.PublishDone)
	p.exit()
	return nil
}

// afterRaw is the end of PublishRaw where there is more to do.
func (p *Publisher) afterRaw(loaded ring.Loaded) (err error) {
	if loaded.EndsLine() {
		p.ring.Prefetch()
	}
	s, w := p.sleepers4, p.interest4
	if s == nil || w == nil || atomic.LoadUint64(&s[0])&atomic.LoadUint64(&w[0])|atomic.LoadUint64(&s[1])&atomic.LoadUint64(&w[1])|
		atomic.LoadUint64(&s[2])&atomic.LoadUint64(&w[2])|atomic.LoadUint64(&s[3])&atomic.LoadUint64(&w[3]) != 0 {
		err = p.wakeInterested(p.ring.Next() - 1)
	}
	fault.At(fault.PublishDone)
	p.exit()
	return err
}

// enterRaw begins a PublishRaw that needs a turn, or is not for the short way. If it is, short is true and the call goes on; otherwise
// it is over.
func (p *Publisher) enterRaw(ctx context.Context, frame []byte) (short bool, err error) {
	short = uint(len(frame))-1 < p.short
	if short && p.shared && ctx != nil && ctx.Err() == nil && p.alert.Load() == 0 && atomic.CompareAndSwapUint64(&p.busy, 0, 1) {
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

// lostRace is the rest of PublishRaw when another publisher was faster.
func (p *Publisher) lostRace(ctx context.Context, info layout.FrameInfo) error {
	p.ring.LostRace()
	return p.exchangeRaw(ctx, info)
}

// exchangeRaw is the rest of PublishRaw once the slot is filled.
func (p *Publisher) exchangeRaw(ctx context.Context, info layout.FrameInfo) error {
	if p.ring.Exchange(info, p.tag) != ring.Done {
		return p.waitToExchange(ctx, info, info.Size())
	}
	err := p.published(info.Size())
	p.exit()
	return err
}

// waitToExchange is the rest of a call that publishes a frame of n bytes, which is in the slot, once Exchange could not.
func (p *Publisher) waitToExchange(ctx context.Context, info layout.FrameInfo, n int) error {
	defer p.exit() // contexts are the caller's, and may panic
	if err := p.exchangeSlow(ctx, info); err != nil {
		return p.fail("publish", err)
	}
	return p.published(n)
}

// published counts the message just published and wakes who sleeps and wants it.
func (p *Publisher) published(n int) error {
	p.count(1, n)
	err := p.wakeInterested(p.ring.Next() - 1)
	fault.At(fault.PublishDone)
	return err
}

// count counts in the record itself, which nobody else writes: each load and store behind an exchange is one that the processor
// can not have done before.
func (p *Publisher) count(messages, bytes int) {
	c := p.counts
	fence.Store(&c[0], c[0]+uint64(messages))
	fence.Store(&c[1], c[1]+uint64(bytes))
	fault.At(fault.PublishCounted)
}

// wakeInterested wakes for messages of this publisher at position from and after it. It loads a word of sleepers for every 64
// subscriptions that there ever were. The compare-and-swap before it orders the loads behind the exchange. The error is a [WakeupError].
func (p *Publisher) wakeInterested(from uint64) error {
	high := (atomic.LoadUint64(p.subHigh) + 63) / 64
	for i := range p.sleepers {
		if uint64(i) >= high {
			break
		}
		set := atomic.LoadUint64(&p.sleepers[i])
		if set == 0 {
			continue
		}
		if set &= atomic.LoadUint64(&p.interest[i]); set != 0 && sleep.AnyToWake(p.seg, i, set) {
			// Whoever is woken resumes here and not where it fell asleep.
			certified := sleep.Certify(p.seg, from, p.ring.Index())
			if err := errors.Join(sleep.WakeTopic(p.seg, int(p.id)), certified); err != nil {
				return &WakeupError{err}
			}
			break
		}
	}
	return nil
}

// publishSlow publishes what does not fit one slot as it is.
func (p *Publisher) publishSlow(ctx context.Context, frame []byte) error {
	n := len(frame)
	switch limit := p.seg.Map.Geometry.MaxFrame; {
	case p.held == lent:
		return ErrBusy
	case n == 0:
		return fmt.Errorf("%w: a frame has at least one byte", ErrInvalid)
	case n > limit:
		return tooLarge(p.seg, n)
	case n > p.room:
		return p.publishFragments(ctx, frame)
	}
	p.ring.Fill(0, frame)
	return p.publishFilled(ctx, n)
}

// publishFilled publishes a frame of n bytes that is in the slot already and leaves room for the time.
func (p *Publisher) publishFilled(ctx context.Context, n int) error {
	info := p.whole | layout.FrameInfo(n)
	if p.stamp {
		p.fillTime(n)
		info += layout.TimeSize
	}
	if st := p.ring.Exchange(info, p.tag); st != ring.Done {
		if err := p.exchangeSlow(ctx, info); err != nil {
			return err
		}
	}
	return p.published(n)
}

func (p *Publisher) fillTime(off int) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(time.Now().UnixNano()))
	p.ring.Fill(off, b[:])
}

// publishFragments publishes a frame that takes several slots. If it fails on the way, the
// fragments that were published are dropped by all subscribers.
func (p *Publisher) publishFragments(ctx context.Context, frame []byte) error {
	g := p.seg.Map.Geometry
	payload := g.SlotPayload()
	size := len(frame)
	if p.stamp {
		size += layout.TimeSize
	}
	if p.noWait {
		if err := p.roomFor(g.Fragments(size)); err != nil {
			return err
		}
	}
	flags := p.whole.Flags() &^ layout.FlagLast
	rest := frame
	for i := 0; ; i++ {
		p.ring.FillWord(0, uint64(i)<<32|uint64(size))
		n := min(len(rest), payload-layout.FragmentPrefix)
		p.ring.Fill(layout.FragmentPrefix, rest[:n])
		rest = rest[n:]
		fill := layout.FragmentPrefix + n
		if len(rest) == 0 && (!p.stamp || fill+layout.TimeSize <= payload) {
			if p.stamp {
				p.fillTime(fill)
				fill += layout.TimeSize
			}
			flags |= layout.FlagLast
		}
		info := layout.MakeFrameInfo(fill, flags, p.whole.Publisher(), p.id)
		if p.ring.Exchange(info, p.tag) != ring.Done {
			if err := p.exchangeSlow(ctx, info); err != nil {
				return err
			}
		}
		if flags&layout.FlagLast != 0 {
			break
		}
		fault.At(fault.PublishFragment)
		// Each fragment wakes, too: nobody must be certified past the beginning of the frame, and
		// who reads it may as well begin.
		p.wakeInterested(p.ring.Next() - 1) // whom this cannot wake the last one cannot either
		flags &^= layout.FlagFirst
	}
	return p.published(len(frame))
}
