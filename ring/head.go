package ring

import (
	"sync/atomic"

	"shmbus/layout"
)

// filled reports whether position p, less than 2^31 laps away from the head, has been published. It is true for all positions
// below the head and false for the others.
func (r *Ring) filled(p uint64) bool {
	return layout.LapsAhead(r.load(p).Lap(), layout.LapOf(p, r.shift)) >= 0
}

// near returns a position that is not above the head and, while publishers certify, less than a lap below it: p itself or the
// certified position, below which everything is published. p is not above the head either.
//
// Laps are compared modulo 2^32, and only while they are less than 2^31 apart. So what whoever slept for that long knows
// of the ring says nothing about its entries: every search for a position begins here. The certified position has 64 bits. One that is
// above the head was not written by a correct program, and is not used.
func (r *Ring) near(p uint64) uint64 {
	if c := atomic.LoadUint64(r.word(layout.HeaderCertified)); c > p && r.filled(c-1) {
		return c
	}
	return p
}

// Head returns the position that the next publish gets, or got while Head was looking. It takes
// about 2*log2(N) loads.
func (r *Ring) Head() uint64 {
	// Whoever stored an intent had seen the position before it filled. The largest is a close lower bound of the head.
	hint := r.near(0)
	for p := range r.layout.Geometry.Publishers {
		v := atomic.LoadUint64(r.pubWord(p, layout.PubIntent))
		if v > hint+1 && r.filled(v-2) {
			hint = v - 1
		}
	}
	return r.headFrom(hint)
}

// headFrom returns the head, given a position that is not above it: it gallops from the nearest that is known until it finds a
// position that is not filled, and searches between.
func (r *Ring) headFrom(p uint64) uint64 {
	if p = r.near(p); !r.filled(p) {
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
