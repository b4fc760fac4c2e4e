package ring

import (
	"math/bits"
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/layout"
)

// slowest returns the lowest position that a closed gate protects, and whose it is; near and -1
// where no gate protects anything below near.
func (r *Ring) slowest(near uint64) (who int, position uint64) {
	who, position = -1, near
	for i := range r.layout.Geometry.SubscriberWords() {
		for set := atomic.LoadUint64(r.word(layout.HeaderGates + 8*i)); set != 0; set &= set - 1 {
			s := 64*i + bits.TrailingZeros64(set)
			if layout.Gate(atomic.LoadUint64(r.subWord(s, layout.SubGate))).State() != layout.GateClosed {
				continue
			}
			if c := r.Protected(s, near); c < position {
				who, position = s, c
			}
		}
	}
	return who, position
}

// A Blocker is a closed gate that is in the way of a publisher.
type Blocker struct {
	Subscriber int
	Gate       layout.Gate
	Position   uint64 // that it protects
}

// Holds calls f for each closed gate that keeps positions below end from being published, near
// being one that is.
func (r *Ring) Blockers(near, end uint64, f func(Blocker)) {
	for i := range r.layout.Geometry.SubscriberWords() {
		for set := atomic.LoadUint64(r.word(layout.HeaderGates + 8*i)); set != 0; set &= set - 1 {
			s := 64*i + bits.TrailingZeros64(set)
			// The gate before the position: if that is a later owner's, the gate has changed when f
			// wants to open it.
			h := Blocker{Subscriber: s, Gate: r.Gate(s)}
			if h.Gate.State() != layout.GateClosed {
				continue
			}
			if h.Position = r.Protected(s, near); int64(end-h.Position) > int64(r.Slots()) {
				f(h)
			}
		}
	}
}

// Protected returns the position from which on subscriber s may still want to read: its cursor, or,
// while it sleeps, the position below which it is certified that there is nothing for it.
func (r *Ring) Protected(s int, near uint64) uint64 {
	// The wake word first: when the sleeper resumes, it moves its cursor before it wakes. In the
	// other order, here or there, the cursor of before the sleep could be taken for its position:
	// that is lower, so that nothing wanted would be displaced, and publishers would wait for room
	// that there is.
	w := layout.Wake(atomic.LoadUint64(r.subWord(s, layout.SubWake)))
	c := atomic.LoadUint64(r.subWord(s, layout.SubCursor))
	if w.State() != layout.Awake && !w.IsNotYet() {
		c = max(c, w.Position(near))
	}
	return c
}

// CloseGate makes subscriber record s, which its caller owns, hold publishers back: nothing at or
// after the record's cursor is displaced from now on, if the cursor was at or after the head that
// [Ring.Head] returns afterwards. See [Ring.Join].
func (r *Ring) CloseGate(s int) {
	g := r.subWord(s, layout.SubGate)
	for {
		old := layout.Gate(atomic.LoadUint64(g))
		if atomic.CompareAndSwapUint64(g, uint64(old), uint64(layout.MakeGate(old.Generation()+1, layout.GateClosed))) {
			break
		}
	}
	fault.At(fault.SubscribeClosed)
	atomic.OrUint64(r.word(layout.HeaderGates+8*(s/64)), 1<<(s%64))
	fault.At(fault.SubscribeGate)
}

// OpenGate opens gate g of subscriber s, giving the reason as its new state, and reports whether it
// was this call that did. Anybody may call it: a gate that was opened or closed again meanwhile
// stays as it is.
func (r *Ring) OpenGate(s int, g layout.Gate, reason uint32) bool {
	return g.State() == layout.GateClosed && atomic.CompareAndSwapUint64(
		r.subWord(s, layout.SubGate), uint64(g), uint64(layout.MakeGate(g.Generation(), reason)))
}

// Gate returns the gate of subscriber s.
func (r *Ring) Gate(s int) layout.Gate {
	return layout.Gate(atomic.LoadUint64(r.subWord(s, layout.SubGate)))
}

// ForgetGate takes subscriber s off the list of those that may have a gate. Only the owner of the
// record may, with its gate open.
func (r *Ring) ForgetGate(s int) {
	atomic.AndUint64(r.word(layout.HeaderGates+8*(s/64)), ^uint64(1<<(s%64)))
}
