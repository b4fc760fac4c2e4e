package sleep

import (
	"math/bits"
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/segment"
	"shmbus/layout"
)

// An activity bounds what a publisher record may have published since the last certification.
type activity struct {
	below    uint64   // its messages are below this position
	interest []uint64 // the subscribers that want its topic
}

// maxActive is the most publisher records that are looked at one by one. If more are active, every
// sleeper that wants one of their topics is woken.
const maxActive = 64

// Certify proves to sleeping subscribers that nothing for them was published below n, and moves
// their positions to n. It wakes a sleeper if there may be something for it.
//
// The caller guarantees that everything below n is published, and that publisher record self, its
// own, has woken the sleepers for all that it published. The error says that this process may not
// wake a sleeper, which stays claimed for the next waker. See "Certified sleep" in docs/design.md.
func Certify(s *segment.Segment, n uint64, self int) error {
	from := atomic.LoadUint64(s.Header(layout.HeaderCertified))
	// A wake word cannot hold a position whose low bits are NotYet. A later call certifies it.
	if n <= from || n&layout.NotYet == layout.NotYet {
		return nil
	}
	nw := (s.High(layout.HeaderSubHigh, s.Map.Geometry.Subscribers) + 63) / 64
	var err error
	for i := range nw {
		if atomic.LoadUint64(s.Header(layout.HeaderSleepers+8*i)) != 0 {
			err = certifySleepers(s, n, from, nw, self)
			break
		}
	}
	w := s.Header(layout.HeaderCertified)
	for old := atomic.LoadUint64(w); old < n; old = atomic.LoadUint64(w) {
		if atomic.CompareAndSwapUint64(w, old, n) {
			fault.At(fault.CertifyDone)
			break
		}
	}
	return err
}

func certifySleepers(s *segment.Segment, n, from uint64, nw, self int) error {
	var want [layout.MaxSubscribers / 64]uint64
	var active [maxActive]activity
	found := 0
	for p := range s.High(layout.HeaderPubHigh, s.Map.Geometry.Publishers) {
		// A publisher stores its intent before its exchange, so no message is overlooked. The topic
		// is loaded after the intent: a publisher that changes its topic stores topic and intent in
		// this order, after it has woken for all that it published on the old topic. An old intent
		// with the new topic overlooks only subscribers that were notified already.
		below := atomic.LoadUint64(s.Pub(p, layout.PubIntent))
		if p == self || below <= from {
			continue
		}
		t := atomic.LoadUint64(s.Pub(p, layout.PubTopic))
		if t == 0 || t > uint64(s.Map.Geometry.Topics) {
			continue
		}
		row := s.Interest(int(t - 1))
		for i := range nw {
			want[i] |= atomic.LoadUint64(&row[i])
		}
		if found < maxActive {
			active[found] = activity{below, row}
		}
		found++
	}
	fault.At(fault.CertifyLooked)
	k := waker{seg: s}
	for i := range nw {
		for set := atomic.LoadUint64(s.Header(layout.HeaderSleepers + 8*i)); set != 0; set &= set - 1 {
			bit := bits.TrailingZeros64(set)
			sub := 64*i + bit
			wants := want[i]&(1<<bit) != 0
			if wants && (found > maxActive || missed(s, sub, n, active[:found])) || !certifySub(s, sub, n) {
				k.addSub(sub)
			}
		}
	}
	err := k.post()
	fault.At(fault.CertifyWoken)
	return err
}

// missed reports whether one of the active publishers may have published a message that sleeping
// subscriber sub wants, at or after the position up to which sub is certified.
func missed(s *segment.Segment, sub int, n uint64, active []activity) bool {
	at := layout.Wake(atomic.LoadUint64(s.Sub(sub, layout.SubWake))).Position(n)
	for _, a := range active {
		if a.below > at && atomic.LoadUint64(&a.interest[sub/64])&(1<<(sub%64)) != 0 {
			return true
		}
	}
	return false
}

// maxSleep bounds how far a sleeper is moved before it is woken. A wake word has the low 46 bits of
// a position. The full position follows from the cursor if that is less than 2^45 before it,
// however long the sleep was. At 40 million messages a second, the bound is one wake-up every five
// days.
const maxSleep = 1 << 44

// certifySub moves subscriber i to n if it sleeps. It returns false if the subscriber must be woken
// instead: it has not taken its last look yet, it has been moved far, or somebody claimed it and
// may have been stopped before it posted.
func certifySub(s *segment.Segment, i int, n uint64) bool {
	word := s.Sub(i, layout.SubWake)
	for {
		w := layout.Wake(atomic.LoadUint64(word))
		if w.State() != layout.Asleep {
			return w.State() != layout.Claimed
		}
		if w.IsNotYet() {
			return false
		}
		at := w.Position(n)
		if at >= n {
			return true
		}
		if at/maxSleep != n/maxSleep {
			return false
		}
		if change(word, w, layout.MakeWake(n, w.Generation(), layout.Asleep)) {
			fault.At(fault.CertifyMoved)
			return true
		}
	}
}
