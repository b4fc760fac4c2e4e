package ring

import (
	"errors"
	"fmt"
	"sync/atomic"

	"shmbus/layout"
)

// ErrCorrupt is wrapped by every error about words in the ring that no correct program wrote.
var ErrCorrupt = errors.New("ring is corrupt")

// A Ring is the exchange ring in a piece of memory. Its methods may be called by any goroutine at
// any time, [Ring.Format] excepted.
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
// shared out among the publisher records. Nobody may use the ring meanwhile; the memory is zero
// before.
func (r *Ring) Format() { r.FormatAt(0) }

// FormatAt formats the ring as if the positions below start had been published and forgotten. Tests
// use it to begin near the wrap of the lap counter. start is rounded down to a multiple of the
// ring's size.
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

func corrupt(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, a...))
}
