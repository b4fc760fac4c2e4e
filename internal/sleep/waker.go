package sleep

import (
	"errors"
	"math/bits"
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/sysvsem"
)

// wakeBatch is how many sleepers are woken with one system call. SEMOPM, the kernel's limit, is
// 500 by default and 32 on old systems.
const wakeBatch = 32

// A waker wakes sleepers: it claims their wake words, posts their clients' semaphores with one
// system call, and marks the words notified. A waker that is stopped or killed between any two of
// these steps leaves words that the next waker posts again, as does one to which the kernel
// refuses the post.
type waker struct {
	seg   *segment.Segment
	ops   [wakeBatch]sysvsem.Op
	words [wakeBatch]*uint64
	was   [wakeBatch]layout.Wake
	n     int
	err   error // the first refusal
}

// add claims the wake word of a record, and posts when the batch is full. It reports whether there
// was somebody to wake.
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

// post wakes those that were added since the last time. The error is that of the first semaphore
// that this process may not post, of all that the waker was to post.
func (k *waker) post() error {
	n := k.n
	if k.n = 0; n == 0 {
		return k.err
	}
	if Post(k.seg, k.ops[:n]) != nil {
		// One call posts all or none. Now each is posted that may be.
		for i := range k.ops[:n] {
			if err := Post(k.seg, k.ops[i:i+1]); err != nil {
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

// Post posts semaphores. A single semaphore that is at its maximum keeps nobody asleep: it counts
// as posted, as do those that were removed.
func Post(s *segment.Segment, ops []sysvsem.Op) error {
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

// addSub adds a subscriber.
func (k *waker) addSub(s int) {
	if k.add(k.seg.Sub(s, layout.SubWake), k.seg.Sub(s, layout.SubOwner)) {
		atomic.AddUint64(k.seg.Sub(s, layout.SubPosts), 1)
	}
}

// addSubs adds the sleeping subscribers among 64*word … 64*word+63 whose bit is set.
func (k *waker) addSubs(word int, set uint64) {
	set &= atomic.LoadUint64(k.seg.Header(layout.HeaderSleepers + 8*word))
	for ; set != 0; set &= set - 1 {
		k.addSub(64*word + bits.TrailingZeros64(set))
	}
}
