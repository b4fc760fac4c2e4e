package bus

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"shmbus/internal/fault"
	"shmbus/internal/segment"
	"shmbus/internal/sleep"
	"shmbus/layout"
	"shmbus/ring"
)

// A Publisher publishes on one topic. Any number of goroutines may use it, and their calls take
// turns, unless it is [Exclusive].
//
// Publishing allocates nothing, makes no system call unless a subscriber that wants the message
// sleeps or the ring is full, and takes one locked instruction for each slot. A publisher that is
// not exclusive takes one more for each call, and a call waits while other goroutines use the
// publisher.
type Publisher struct {
	lifecycle
	bus    *Bus
	seg    *segment.Segment
	ring   ring.Publisher
	parent *lifecycle // of the publisher whose reservation this record is for; nil for others

	topic string
	id    uint16
	tag   uint32
	label layout.Entry // of the tag
	room  int          // bytes of a frame that fits one slot
	// room on the fast path of PublishRaw; 0 if frames get a time, which the fast path does not
	// add.
	fastRoom uint
	// fastRoom if the fast path needs no turn, because the publisher is exclusive and no
	// reservation is outstanding; otherwise 0.
	fastAlone uint
	// A frame that fits a slot is only copied, so PublishBatch may fill several slots at once.
	runs    bool
	whole   layout.FrameInfo
	noWait  bool
	stamp   bool
	wait    WaitStrategy
	sleeper *sleep.Publisher

	interest []uint64 // the subscribers that want the topic, a bit for each
	sleepers []uint64 // the subscribers that sleep, as many words
	// interest and sleepers as arrays if the bus has room for 256 subscriptions, the default. Then
	// no loop is needed.
	interest4, sleepers4 *[4]uint64
	asleep, wants        *uint64 // the first word of each
	subHigh              *uint64
	counts               *[2]uint64 // messages and bytes, in the record

	enc     encoder
	reserve Reservation
	stalls  stalls
	// The record belongs to the pool of the handle, in which calls wait for it.
	pooled bool
	// The subscription for which a call waits. Calls that wait for their turn report it.
	stuck atomic.Pointer[FullError]
}

// Publisher returns a new publisher on the topic, which it creates if need be.
func (b *Bus) Publisher(topic string, opts ...PublishOption) (*Publisher, error) {
	fail := func(err error) (*Publisher, error) {
		return nil, opError("publish", b.name, topic, err)
	}
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
	id, err := b.topics.Open(topic, b.member.Owner)
	if err != nil {
		return nil, explainFull(b.seg, err)
	}
	p, err := b.newRecord(c)
	if err != nil {
		return nil, err
	}
	if err := p.announce(id); err != nil {
		b.member.FreePublisher(p.ring.Index())
		return nil, err
	}
	p.turnTo(topic, id)
	return p, nil
}

// newRecord returns a publisher with a record of its own and no topic yet. The caller has called
// adopt for it.
func (b *Bus) newRecord(c publisherConfig) (*Publisher, error) {
	rp, err := b.member.TakePublisher()
	if err != nil {
		return nil, explainFull(b.seg, err)
	}
	seg, i := b.seg, rp.Index()
	atomic.StoreUint64(seg.Pub(i, layout.PubSince), uint64(time.Now().UnixNano()))
	counts := seg.Pair(seg.Map.Publishers.At(i) + layout.PubMessages)
	atomic.StoreUint64(&counts[0], 0) // they are 0 already unless the record was damaged
	atomic.StoreUint64(&counts[1], 0)
	p := &Publisher{
		bus: b, seg: seg, ring: *rp,
		sleeper:  sleep.NewPublisher(b.member.Parker, i),
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
		b.member.FreePublisher(i)
		b.dismiss(l)
	}
	p.lease = l
	return p, nil
}

// configure applies options. The caller sets the topic afterwards, with turnTo.
func (p *Publisher) configure(c publisherConfig) {
	g := &p.seg.Map.Geometry
	p.noWait, p.stamp, p.wait = c.noWait, c.time, c.wait
	p.room = min(g.SlotPayload(), g.MaxFrame)
	flags := uint8(layout.FlagWhole)
	if c.time {
		p.room = min(p.room, g.SlotPayload()-layout.TimeSize)
		flags |= layout.FlagTime
	}
	p.fastRoom = 0
	if !c.time {
		p.fastRoom = uint(p.room)
	}
	p.allowFast()
	p.runs = !c.time && p.room == g.SlotPayload()
	p.whole = layout.MakeFrameInfo(0, flags, uint16(p.ring.Index()), p.id)
}

// allowFast lets PublishRaw take the fast path without a turn, if the publisher is exclusive.
func (p *Publisher) allowFast() {
	if !p.shared {
		p.fastAlone = p.fastRoom
	}
}

// announce makes sure that every subscriber that wants topic id receives what is published on it
// from then on: the subscriber knows the topic, or looks for new topics before it passes over a
// message.
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

// turnTo changes the topic of the publisher to one that is announced.
//
// Every publish ends with waking the sleepers that want its message. So no sleeper still waits for
// the last message on the old topic. A certifier loads the intent before the topic. If it pairs the
// old intent with the new topic, it therefore passes over no sleeper that wants a message.
func (p *Publisher) turnTo(topic string, id int) {
	seg, i := p.seg, p.ring.Index()
	if p.topic != "" {
		p.bus.member.FlushCounts(i, int(p.id))
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

// Topic returns the topic.
func (p *Publisher) Topic() string { return p.topic }

// Index returns the number of the publisher's record, which messages carry as their publisher.
func (p *Publisher) Index() int { return p.ring.Index() }

// MaxFrame returns the size in bytes of the largest frame that the bus carries.
func (p *Publisher) MaxFrame() int { return p.seg.Map.Geometry.MaxFrame }

// Close gives the publisher's record back. It may be called more than once, and by any goroutine.
func (p *Publisher) Close() error {
	p.lifecycle.close(p.kick)
	return nil
}

func (p *Publisher) settle() { p.lifecycle.await(p.kick) }

// kick makes a call that waits look again.
func (p *Publisher) kick() { p.sleeper.Unpark() }

// refuse ends a call on a publisher that is closed.
func (p *Publisher) refuse() error { return p.fail("publish", p.lifecycle.refuse()) }

// ending reports whether a call that waits has to end with ErrClosed.
func (p *Publisher) ending() bool { return p.isClosed() || p.parent != nil && p.parent.isClosed() }
