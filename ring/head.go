package ring

import (
	"sync/atomic"

	"shmbus/layout"
)

// filled reports whether a message has been published at position p, which is less than 2^31 laps
// away from the head. It is true for all positions below the head and false for all others.
func (r *Ring) filled(p uint64) bool {
	return layout.LapsAhead(r.load(p).Lap(), layout.LapOf(p, r.shift)) >= 0
}

// lowerBound returns the larger of p, which must not be above the head, and the certified position.
// The result is not above the head. While publishers certify, it is less than a lap below the head.
//
// Every search for a position begins here. Laps are compared modulo 2^32, which is right only if
// they are less than 2^31 apart. So a position that a process has kept during a long sleep cannot
// be compared with the current entries; the certified position, which has 64 bits, can. A certified
// position above the head was not written by a correct program and is ignored.
func (r *Ring) lowerBound(p uint64) uint64 {
	if c := atomic.LoadUint64(r.word(layout.HeaderCertified)); c > p && r.filled(c-1) {
		return c
	}
	return p
}

// Head returns the position that the next message gets. If messages are published meanwhile, it
// returns the head of some moment during the call. It takes about 2*log2(N) loads.
func (r *Ring) Head() uint64 {
	// Before a publisher stores its intent, it has seen that the preceding position is filled. So
	// the largest intent, minus one, is a close lower bound of the head.
	hint := r.lowerBound(0)
	for p := range r.layout.Geometry.Publishers {
		v := atomic.LoadUint64(r.pubWord(p, layout.PubIntent))
		if v > hint+1 && r.filled(v-2) {
			hint = v - 1
		}
	}
	return r.headFrom(hint)
}

// headFrom returns the head, given a position that is not above it. It gallops from there, in steps
// that double, to a position that is not filled, and then bisects.
func (r *Ring) headFrom(p uint64) uint64 {
	if p = r.lowerBound(p); !r.filled(p) {
		return p
	}
	lo, step := p, uint64(1)
	for step < 1<<62 && r.filled(lo+step) {
		lo += step
		step *= 2
	}
	hi := lo + step // lo is filled, hi was not
	for hi-lo > 1 {
		if mid := lo + (hi-lo)/2; r.filled(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// Oldest returns the oldest position that the ring still holds, given its head.
func (r *Ring) Oldest(head uint64) uint64 {
	if head < r.Slots() {
		return 0
	}
	return head - r.Slots()
}
