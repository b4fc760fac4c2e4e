package bus

import (
	"errors"
	"time"

	"shmbus/internal/fence"
	"shmbus/internal/linux"
	"shmbus/internal/topics"
	"shmbus/layout"
)

// Subscribe returns a passive subscription. It receives, reports losses and assembles large
// messages as any lossy subscription does, and writes nothing. No publisher knows of it, so nobody
// wakes it and nobody waits for it.
//
// It polls. After a short spin ([Adaptive]) or at once ([Block]) it rests for 50 µs, and for twice
// as long each time that it finds nothing, up to 5 ms. So a message that follows others closely is
// seen within some tens of microseconds, and the first message after a pause within 5 ms. An idle
// subscription costs about a hundredth of a processor. [Yield] and [Spin] never rest.
//
// A policy other than lossy is an error.
func (o *Observer) Subscribe(pattern string, opts ...SubscribeOption) (*Subscription, error) {
	return o.bus.subscribe(pattern, opts, o.newSubscription)
}

var errPassive = errors.New("an observer cannot be reliable: publishers do not know of it (open " +
	"the bus to subscribe reliably)")

func (o *Observer) newSubscription(patterns []topics.Pattern,
	c subscribeConfig) (*Subscription, error) {
	b, seg := o.bus, o.bus.seg
	if seg.Removed() {
		return nil, ErrRemoved
	}
	if c.policy != layout.PolicyLossy {
		return nil, errPassive
	}
	from, err := c.start.in(b.ring)
	if err != nil {
		return nil, err
	}
	var local [4]uint64 // where other subscriptions have words in the segment
	s := &Subscription{
		bus: b, seg: seg, in: topics.NewPassive(b.topics, patterns), passive: true, wait: c.wait,
		match:  noMatch(),
		cur:    b.ring.Reader(from),
		frag:   newCollector(seg.Identity.Geometry.MaxFrame + layout.TimeSize),
		stride: uint64(seg.Map.Geometry.Slots/8 - 1),
		half:   uint64(seg.Map.Geometry.Slots/2 - 1),

		received: &local[0], bytes: &local[1], lost: &local[2], losses: &local[3],
	}
	s.in.Match()
	l := new(lease)
	l.release = func() { b.dismiss(l) }
	s.lease = l
	return s, nil
}

const (
	firstRest = 50 * time.Microsecond
	longRest  = 5 * time.Millisecond
	// timerRest is the shortest rest that uses Go's timers: they are about that coarse in an idle
	// process.
	timerRest = time.Millisecond
)

// doze passes the time until the next look.
func (s *Subscription) doze() {
	s.rest = min(max(2*s.rest, firstRest), longRest)
	fence.Store(&s.stats.Sleeps, s.stats.Sleeps+1)
	if s.rest < timerRest {
		linux.Nanosleep(s.rest)
	} else {
		time.Sleep(s.rest)
	}
}
