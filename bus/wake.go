package bus

import (
	"errors"
	"math/bits"
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/sysvsem"
)

// wakeBatch is how many sleepers are woken with one system call. SEMOPM, the
// kernel's limit, is 500 by default and 32 on old systems.
const wakeBatch = 32

// A waker wakes sleepers: it claims their wake words, posts their clients' semaphores with one call,
// and marks the words notified. Stopped or killed between any two of these steps it leaves words that
// the next waker claims and posts again; so it does where the kernel refuses the post.
type waker struct {
	seg   *segment.Segment
	ops   [wakeBatch]sysvsem.Op
	words [wakeBatch]*uint64
	was   [wakeBatch]layout.Wake
	n     int
	err   error // the first refusal
}

// add claims the record behind a wake word, and posts when the batch is full. It reports whether there was
// somebody to wake.
func (k *waker) add(word, owner *uint64) bool {
	w := layout.Wake(atomic.LoadUint64(word))
	for w.State() == layout.Asleep {
		if atomic.CompareAndSwapUint64(word, uint64(w), uint64(w.With(layout.Claimed))) {
			w = w.With(layout.Claimed)
			fault.At(fault.WakeClaimed)
			break
		}
		w = layout.Wake(atomic.LoadUint64(word))
	}
	if w.State() != layout.Claimed {
		return false
	}
	c := layout.Owner(atomic.LoadUint64(owner)).Client()
	if c < 0 || c >= k.seg.Map.Geometry.Clients {
		return false
	}
	k.ops[k.n] = sysvsem.Op{Num: layout.SemSleep(c), Op: 1, Flags: sysvsem.NoWait}
	k.words[k.n], k.was[k.n] = word, w
	if k.n++; k.n == wakeBatch {
		k.post()
	}
	return true
}

// post wakes who was added since the last time. The error is that of the first semaphore, of all that the waker was to post, that this
// process may not post.
func (k *waker) post() error {
	n := k.n
	if k.n = 0; n == 0 {
		return k.err
	}
	if posted(k.seg, k.ops[:n]) != nil {
		// All or none are posted by one call: now the others are.
		for i := range k.ops[:n] {
			if err := posted(k.seg, k.ops[i:i+1]); err != nil {
				k.words[i] = nil // it stays claimed
				if k.err == nil {
					k.err = err
				}
			}
		}
	}
	fault.At(fault.WakePosted)
	for i, w := range k.was[:n] {
		if k.words[i] != nil {
			atomic.CompareAndSwapUint64(k.words[i], uint64(w), uint64(w.With(layout.Notified)))
		}
	}
	atomic.AddUint64(k.seg.Header(layout.HeaderPosts), uint64(n))
	fault.At(fault.WakeNotified)
	return k.err
}

// posted posts semaphores. A single one at its maximum keeps nobody asleep: it counts as posted, and so do all that
// were removed.
func posted(s *segment.Segment, ops []sysvsem.Op) error {
	err := s.Set.TryOp(ops)
	switch {
	case errors.Is(err, sysvsem.ErrRemoved):
		s.SemError(err)
		return nil
	case len(ops) == 1 && errors.Is(err, sysvsem.ErrRange):
		return nil
	}
	return err
}

func (k *waker) addSub(s int) {
	if k.add(k.seg.Sub(s, layout.SubWake), k.seg.Sub(s, layout.SubOwner)) {
		atomic.AddUint64(k.seg.Sub(s, layout.SubPosts), 1)
	}
}

// addSubs wakes the sleeping subscribers among 64*word … 64*word+63 whose bit is set.
func (k *waker) addSubs(word int, set uint64) {
	for set &= atomic.LoadUint64(k.seg.Header(layout.HeaderSleepers + 8*word)); set != 0; set &= set - 1 {
		k.addSub(64*word + bits.TrailingZeros64(set))
	}
}

// anyToWake reports whether somebody in a word of sleepers has not been woken yet.
func anyToWake(s *segment.Segment, word int, set uint64) bool {
	for ; set != 0; set &= set - 1 {
		w := layout.Wake(atomic.LoadUint64(s.Sub(64*word+bits.TrailingZeros64(set), layout.SubWake)))
		if w.State() == layout.Asleep || w.State() == layout.Claimed {
			return true
		}
	}
	return false
}

// wakeTopic wakes every sleeper that is interested in topic t.
func wakeTopic(s *segment.Segment, t int) error {
	k := waker{seg: s}
	row := s.Interest(t)
	for i := range row {
		k.addSubs(i, atomic.LoadUint64(&row[i]))
	}
	return k.post()
}

// wakeUnmatched wakes the sleepers that may not know topic t yet, and makes those that are awake look at the
// topics before they sleep or skip. After it, every subscriber either has matched t or will before it misses a
// message of it.
func wakeUnmatched(s *segment.Segment, t int) error {
	all := true
	n := s.High(layout.HeaderSubHigh, s.Map.Geometry.Subscribers)
	for i := range n {
		if atomic.LoadUint64(s.Sub(i, layout.SubOwner)) != 0 && atomic.LoadUint64(s.Sub(i, layout.SubMatched)) <= uint64(t) {
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

// wakeBlocked wakes the publishers that wait for room.
func wakeBlocked(s *segment.Segment) {
	for i := range (s.High(layout.HeaderPubHigh, s.Map.Geometry.Publishers) + 63) / 64 {
		if set := atomic.LoadUint64(s.Header(layout.HeaderBlocked + 8*i)); set != 0 {
			wakePublishers(s, 64*i, set)
		}
	}
}

// wakePublishers wakes those of the publishers from first on whose bit is set. One that cannot be woken looks by itself before long.
func wakePublishers(s *segment.Segment, first int, set uint64) {
	k := waker{seg: s}
	for ; set != 0; set &= set - 1 {
		if p := first + bits.TrailingZeros64(set); p < s.Map.Geometry.Publishers {
			k.add(s.Pub(p, layout.PubWake), s.Pub(p, layout.PubOwner))
		}
	}
	k.post()
}
