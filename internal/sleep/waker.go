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

// wakeBatch is the number of sleepers that one system call wakes. SEMOPM, the kernel's limit, is
// 500 by default and 32 on old systems.
const wakeBatch = 32

// A waker wakes sleepers: it claims their wake words, posts their clients' semaphores with one
// system call, and marks the words notified. If a waker is stopped or killed between two of these
// steps, or the kernel refuses the post, the words stay claimed, and the next waker posts them
// again.
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
		if change(word, w, w.With(layout.Claimed)) {
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

// post wakes the sleepers added since its last call. It returns the waker's first error for a
// semaphore that this process may not post.
func (k *waker) post() error {
	n := k.n
	if k.n = 0; n == 0 {
		return k.err
	}
	if Post(k.seg, k.ops[:n]) != nil {
		// One call posts all or none. So each semaphore is posted alone.
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
			change(k.words[i], w, w.With(layout.Notified))
		}
	}
	atomic.AddUint64(k.seg.Header(layout.HeaderPosts), uint64(n))
	fault.At(fault.WakeNotified)
	return k.err
}

// Post posts semaphores. A single semaphore at its maximum counts as posted, since its sleeper does
// not block. So do semaphores that were removed.
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
