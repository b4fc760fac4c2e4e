package sleep

import (
	"math/bits"
	"sync/atomic"

	"shmbus/internal/segment"
	"shmbus/layout"
)

// AnyToWake reports whether a subscriber among 64*word … 64*word+63 whose bit is set sleeps and was
// not woken yet.
func AnyToWake(s *segment.Segment, word int, set uint64) bool {
	for ; set != 0; set &= set - 1 {
		sub := 64*word + bits.TrailingZeros64(set)
		w := layout.Wake(atomic.LoadUint64(s.Sub(sub, layout.SubWake)))
		if w.State() == layout.Asleep || w.State() == layout.Claimed {
			return true
		}
	}
	return false
}

// WakeTopic wakes every sleeper that wants topic t. The error says that this process may not wake
// one of them, which stays claimed for the next waker.
func WakeTopic(s *segment.Segment, t int) error {
	k := waker{seg: s}
	row := s.Interest(t)
	for i := range row {
		k.addSubs(i, atomic.LoadUint64(&row[i]))
	}
	return k.post()
}

// WakeUnmatched wakes the sleepers that may not know topic t yet, and makes subscribers that are
// awake look at the topic table before they sleep or skip a message. After it, every subscriber has
// matched t or matches it before it can miss a message on it. The error is that of [WakeTopic].
func WakeUnmatched(s *segment.Segment, t int) error {
	all := true
	n := s.High(layout.HeaderSubHigh, s.Map.Geometry.Subscribers)
	for i := range n {
		used := atomic.LoadUint64(s.Sub(i, layout.SubOwner)) != 0
		if used && atomic.LoadUint64(s.Sub(i, layout.SubMatched)) <= uint64(t) {
			all = false
		}
	}
	if all {
		return nil
	}
	atomic.AddUint64(s.Header(layout.HeaderTopicVersion), 1)
	k := waker{seg: s}
	for i := range n {
		if atomic.LoadUint64(s.Sub(i, layout.SubMatched)) <= uint64(t) {
			k.addSub(i)
		}
	}
	return k.post()
}

// WakeSubscriber wakes subscriber i if it sleeps.
func WakeSubscriber(s *segment.Segment, i int) {
	k := waker{seg: s}
	k.addSub(i)
	k.post()
}

// WakeBlocked wakes the publishers that wait for room.
func WakeBlocked(s *segment.Segment) {
	for i := range (s.High(layout.HeaderPubHigh, s.Map.Geometry.Publishers) + 63) / 64 {
		if set := atomic.LoadUint64(s.Header(layout.HeaderBlocked + 8*i)); set != 0 {
			wakePublishers(s, 64*i, set)
		}
	}
}

// wakePublishers wakes the publishers whose bit is set; first is the record of bit 0. A publisher
// that cannot be woken looks for room by itself within milliseconds.
func wakePublishers(s *segment.Segment, first int, set uint64) {
	k := waker{seg: s}
	for ; set != 0; set &= set - 1 {
		if p := first + bits.TrailingZeros64(set); p < s.Map.Geometry.Publishers {
			k.add(s.Pub(p, layout.PubWake), s.Pub(p, layout.PubOwner))
		}
	}
	k.post()
}
