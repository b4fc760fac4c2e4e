package ring

import (
	"errors"
	"fmt"
	"sync/atomic"

	"shmbus/layout"
)

// ErrCorrupt means that the ring holds a value that no correct program wrote.
var ErrCorrupt = errors.New("ring is corrupt")

// A Ring is the exchange ring in a piece of memory. Its methods, except for [Ring.Format] and
// [Ring.FormatAt], may be called by any goroutine at any time.
type Ring struct {
	memory
	layout layout.Map
}

// New returns the ring in mem, which has at least m.Size bytes and is aligned to 8 bytes. A ring in
// new memory must be formatted before its first use, by one process, see [Ring.Format].
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

// Format writes the initial state of the ring to zeroed memory: there is no message, entry i has
// slot i, and each publisher record owns its share of the other slots. Nobody else may use the ring
// meanwhile.
func (r *Ring) Format() { r.FormatAt(0) }

// FormatAt formats the ring as if all positions below start had been published and overwritten.
// Tests use it to begin close to where a counter wraps. start is rounded down to a multiple of N.
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

// Layout returns the map of the memory: its geometry, and where each record and slot is.
func (r *Ring) Layout() layout.Map { return r.layout }

// Slots returns N, how many messages the ring holds.
func (r *Ring) Slots() uint64 { return r.mask + 1 }

func (r *Ring) pubWord(p, field int) *uint64 { return r.word(r.layout.Publishers.At(p) + field) }
func (r *Ring) subWord(s, field int) *uint64 { return r.word(r.layout.Subscribers.At(s) + field) }
func (r *Ring) pairWord(p, k int) *uint64    { return r.pubWord(p, layout.PubOwned+8*k) }

func (r *Ring) load(p uint64) layout.Entry {
	return layout.Entry(atomic.LoadUint64(r.entry(p & r.mask)))
}

func corrupt(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, a...))
}
