package members

import (
	"errors"
	"fmt"
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/segment"
	"shmbus/internal/sleep"
	"shmbus/layout"
	"shmbus/ring"
)

// TakePublisher takes a publisher record that is free. If none is, it takes one whose owner is
// dead; only then does it ask the kernel which clients live. The error is a [*segment.FullError] if
// there is none.
func (m *Member) TakePublisher() (*ring.Publisher, error) {
	seg, n := m.seg, m.seg.Map.Geometry.Publishers
	var unfit error // why records that are free were passed over
	take := func(i int, before layout.Owner) *ring.Publisher {
		w := seg.Pub(i, layout.PubOwner)
		if !seg.TakeFrom(w, before, m.Owner) {
			return nil
		}
		fault.At(fault.PublisherTaken)
		seg.RaiseHigh(layout.HeaderPubHigh, i)
		if before != 0 {
			m.resetPublisher(i, true)
			fault.At(fault.PublisherWiped)
		}
		p, err := m.ring.Publisher(i)
		if err == nil {
			fault.At(fault.PublisherSettled)
			return p
		}
		atomic.StoreUint64(w, 0)
		if errors.Is(err, ring.ErrCorrupt) {
			err = fmt.Errorf("%w: %w", layout.ErrCorrupt, err)
		}
		unfit = errors.Join(unfit, err)
		return nil
	}
	for i := range n {
		if atomic.LoadUint64(seg.Pub(i, layout.PubOwner)) == 0 {
			if p := take(i, 0); p != nil {
				return p, nil
			}
		}
	}
	alive := seg.Census()
	for i := range n {
		before := layout.Owner(atomic.LoadUint64(seg.Pub(i, layout.PubOwner)))
		if before != 0 && before != m.Owner && !alive(before) {
			if p := take(i, before); p != nil {
				return p, nil
			}
		}
	}
	return nil, &segment.FullError{Table: "publishers", Unfit: unfit}
}

// FreePublisher gives this client's publisher record back.
func (m *Member) FreePublisher(p int) {
	m.resetPublisher(p, false)
	atomic.StoreUint64(m.seg.Pub(p, layout.PubOwner), 0)
	fault.At(fault.FreePublisher)
}

// TakeSubscriber takes a subscriber record that is free. If none is, it takes one whose owner is
// dead; only then does it ask the kernel which clients live. The error is a [*segment.FullError] if
// there is none.
func (m *Member) TakeSubscriber() (int, error) {
	seg, n := m.seg, m.seg.Map.Geometry.Subscribers
	try := func(i int, alive func(layout.Owner) bool) bool {
		before, vacant := m.vacate(i, alive)
		if !vacant || !seg.TakeFrom(seg.Sub(i, layout.SubOwner), before, m.Owner) {
			return false
		}
		fault.At(fault.SubscribeTaken)
		seg.RaiseHigh(layout.HeaderSubHigh, i)
		if before != 0 {
			m.resetSubscriber(i)
			fault.At(fault.SubscribeWiped)
		}
		return true
	}
	for i := range n {
		if atomic.LoadUint64(seg.Sub(i, layout.SubOwner)) == 0 && try(i, seg.Alive) {
			return i, nil
		}
	}
	alive := seg.Census()
	for i := range n {
		if try(i, alive) {
			return i, nil
		}
	}
	return 0, &segment.FullError{Table: "subscribers"}
}

// FreeSubscriber gives this client's subscriber record back. Publishers that wait for it continue.
func (m *Member) FreeSubscriber(s int) {
	m.resetSubscriber(s)
	atomic.StoreUint64(m.seg.Sub(s, layout.SubOwner), 0)
	fault.At(fault.FreeSubscriber)
	sleep.WakeBlocked(m.seg)
}

// resetPublisher brings a record whose previous owner has left or is dead into the state in which a
// new owner can use it. The caller owns the record.
func (m *Member) resetPublisher(p int, dead bool) {
	seg := m.seg
	t := atomic.LoadUint64(seg.Pub(p, layout.PubTopic))
	if t > 0 && t <= uint64(seg.Map.Geometry.Topics) {
		if dead {
			// The dead owner may have published a message and not woken the sleepers that want it.
			// After the next stores its intent no longer counts for the old topic, so they are
			// woken first.
			sleep.WakeTopic(seg, int(t-1))
			fault.At(fault.WipeWoken)
		}
		m.FlushCounts(p, int(t-1))
		fault.At(fault.WipeCounted)
		atomic.StoreUint64(seg.Pub(p, layout.PubTopic), 0)
		fault.At(fault.WipeTopic)
	}
	atomic.StoreUint64(seg.Pub(p, layout.PubIntent), 0)
	fault.At(fault.WipeIntent)
	atomic.StoreUint64(seg.Pub(p, layout.PubFull), 0)
	atomic.AndUint64(seg.Header(layout.HeaderBlocked+8*(p/64)), ^uint64(1<<(p%64)))
	sleep.Awaken(seg.Pub(p, layout.PubWake))
	fault.At(fault.WipePublisher)
}

// FlushCounts moves a publisher record's counts to its topic's record. The caller owns the
// publisher record.
func (m *Member) FlushCounts(p, topic int) {
	seg := m.seg
	messages := atomic.SwapUint64(seg.Pub(p, layout.PubMessages), 0)
	atomic.AddUint64(seg.Topic(topic, layout.TopicMessages), messages)
	bytes := atomic.SwapUint64(seg.Pub(p, layout.PubBytes), 0)
	atomic.AddUint64(seg.Topic(topic, layout.TopicBytes), bytes)
}

// resetSubscriber does for a subscriber record what resetPublisher does for a publisher's.
func (m *Member) resetSubscriber(s int) {
	seg := m.seg
	m.ring.OpenGate(s, m.ring.Gate(s), layout.GateOpen)
	fault.At(fault.WipeGate)
	m.ring.ForgetGate(s)
	fault.At(fault.WipeList)
	bit := uint64(1) << (s % 64)
	atomic.AndUint64(seg.Header(layout.HeaderSleepers+8*(s/64)), ^bit)
	sleep.Awaken(seg.Sub(s, layout.SubWake))
	fault.At(fault.WipeSleeper)
	for t := range seg.Map.Geometry.Topics {
		if layout.Owner(atomic.LoadUint64(seg.Topic(t, layout.TopicOwner))) == 0 {
			break
		}
		if w := &seg.Interest(t)[s/64]; atomic.LoadUint64(w)&bit != 0 {
			atomic.AndUint64(w, ^bit)
			fault.At(fault.WipeInterest)
		}
	}
	for _, f := range []int{layout.SubReceived, layout.SubBytes, layout.SubLost, layout.SubLosses,
		layout.SubSleeps, layout.SubPosts, layout.SubPolicy, layout.SubPatience, layout.SubMatched,
		layout.SubSince} {
		atomic.StoreUint64(seg.Sub(s, f), 0)
	}
	clear(seg.Text(seg.Map.Subscribers.At(s)+layout.SubPattern, layout.PatternSize))
}
