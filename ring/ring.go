package ring

import (
	"errors"
	"fmt"
	"sync/atomic"

	"shmbus/layout"
)

// ErrCorrupt is wrapped by every error about words in the ring that no correct program wrote.
var ErrCorrupt = errors.New("ring is corrupt")

// A Ring is the exchange ring in a piece of memory. Its methods may be called by any
// goroutine at any time, [Ring.Format] excepted.
type Ring struct {
	memory
	layout layout.Map
}

// New returns the ring in mem, which has at least m.Size bytes and is aligned to 8. The ring in new
// memory must be formatted before its first use.
func New(mem []byte, m layout.Map) (*Ring, error) {
	mm, err := newMemory(mem, m)
	if err != nil {
		return nil, err
	}
	return &Ring{mm, m}, nil
}

// NewHeap returns a formatted ring on the heap, for goroutines of one process.
func NewHeap(g layout.Geometry) (*Ring, error) {
	m, err := layout.NewMap(g)
	if err != nil {
		return nil, err
	}
	r, err := New(alignedMemory(m.Size), m)
	if err != nil {
		return nil, err
	}
	r.Format()
	return r, nil
}

// Format puts the ring into its initial state: no message, slot i in entry i, and the slots beyond
// shared out among the publisher records. Nobody may use the ring meanwhile; the memory is zero before.
func (r *Ring) Format() { r.FormatAt(0) }

// FormatAt formats the ring as if the positions below start had been published and
// forgotten. Tests use it to begin near the wrap of the lap counter.
// start is rounded down to a multiple of the ring's size.
func (r *Ring) FormatAt(start uint64) {
	start &^= r.mask
	lap := layout.LapOf(start, r.shift) - 1
	for i := uint64(0); i <= r.mask; i++ {
		atomic.StoreUint64(r.entry(i), uint64(layout.MakeEntry(lap, 0, uint32(i))))
	}
	atomic.StoreUint64(r.word(layout.HeaderCertified), start)
	g := r.layout.Geometry
	for p := range g.Publishers {
		atomic.StoreUint64(r.pubWord(p, layout.PubIntent), 0)
		for k := range g.Owned {
			slot := uint32(g.Slots + p*g.Owned + k)
			atomic.StoreUint64(r.pairWord(p, k), uint64(layout.Settled(slot)))
		}
	}
}

// Layout returns where the ring's words are.
func (r *Ring) Layout() layout.Map { return r.layout }

// Slots returns N, the number of messages that the ring holds.
func (r *Ring) Slots() uint64 { return r.mask + 1 }

func (r *Ring) pubWord(p, field int) *uint64 { return r.word(r.layout.Publishers.At(p) + field) }
func (r *Ring) subWord(s, field int) *uint64 { return r.word(r.layout.Subscribers.At(s) + field) }
func (r *Ring) pairWord(p, k int) *uint64    { return r.pubWord(p, layout.PubOwned+8*k) }

func (r *Ring) load(p uint64) layout.Entry {
	return layout.Entry(atomic.LoadUint64(r.entry(p & r.mask)))
}

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

func corrupt(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, a...))
}
