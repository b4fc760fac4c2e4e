package ring

import (
	"math/bits"
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/layout"
)

// slowest returns the subscriber whose closed gate protects the lowest position, and that position.
// If no gate protects a position below near, it returns -1 and near.
func (r *Ring) slowest(near uint64) (subscriber int, position uint64) {
	subscriber, position = -1, near
	for i := range r.layout.Geometry.SubscriberWords() {
		for set := atomic.LoadUint64(r.word(layout.HeaderGates + 8*i)); set != 0; set &= set - 1 {
			s := 64*i + bits.TrailingZeros64(set)
			if r.Gate(s).State() != layout.GateClosed {
				continue
			}
			if c := r.Protected(s, near); c < position {
				subscriber, position = s, c
			}
		}
	}
	return subscriber, position
}

// A Blocker is a closed gate that keeps a publisher from publishing.
type Blocker struct {
	Subscriber int
	Gate       layout.Gate
	Position   uint64 // the lowest position that the gate protects
}

// Blockers calls f for each closed gate that keeps a publisher from filling the positions below
// end. near is a position close to those of the gates, such as [Publisher.Next].
func (r *Ring) Blockers(near, end uint64, f func(Blocker)) {
	for i := range r.layout.Geometry.SubscriberWords() {
		for set := atomic.LoadUint64(r.word(layout.HeaderGates + 8*i)); set != 0; set &= set - 1 {
			s := 64*i + bits.TrailingZeros64(set)
			// The gate is loaded before the position. If the position is already that of the
			// record's next owner, the gate has changed since, and f can no longer open it.
			b := Blocker{Subscriber: s, Gate: r.Gate(s)}
			if b.Gate.State() != layout.GateClosed {
				continue
			}
			b.Position = r.Protected(s, near)
			if int64(end-b.Position) > int64(r.Slots()) {
				f(b)
			}
		}
	}
}

// Protected returns the position from which on subscriber s may still have to read. That is its
// cursor or, while it sleeps, the position below which publishers have certified that there is
// nothing for it. near is a position less than 2^45 away from it.
func (r *Ring) Protected(s int, near uint64) uint64 {
	// A sleeper that resumes moves its cursor first and sets its wake word to Awake after that, so
	// the wake word is loaded first here. If the loads or those stores were in the other order,
	// Protected could return the cursor from before the sleep. That position is lower: no wanted
	// message would be displaced, but publishers would wait although there is room.
	w := layout.Wake(atomic.LoadUint64(r.subWord(s, layout.SubWake)))
	c := atomic.LoadUint64(r.subWord(s, layout.SubCursor))
	if w.State() != layout.Awake && !w.IsNotYet() {
		c = max(c, w.Position(near))
	}
	return c
}

// CloseGate closes the gate of subscriber record s, which the caller owns. From then on publishers
// displace nothing at or above the record's cursor, if the cursor is at or above the head that
// [Ring.Head] returns after CloseGate. See [Ring.Join].
func (r *Ring) CloseGate(s int) {
	g := r.subWord(s, layout.SubGate)
	for {
		old := layout.Gate(atomic.LoadUint64(g))
		closed := layout.MakeGate(old.Generation()+1, layout.GateClosed)
		if atomic.CompareAndSwapUint64(g, uint64(old), uint64(closed)) {
			break
		}
	}
	fault.At(fault.SubscribeClosed)
	atomic.OrUint64(r.word(layout.HeaderGates+8*(s/64)), 1<<(s%64))
	fault.At(fault.SubscribeGate)
}

// OpenGate opens gate g of subscriber s, with the reason as its new state, and reports whether this
// call has opened it. Any process may call it: a gate that was opened or closed again since g was
// loaded stays as it is.
func (r *Ring) OpenGate(s int, g layout.Gate, reason uint32) bool {
	return g.State() == layout.GateClosed && atomic.CompareAndSwapUint64(
		r.subWord(s, layout.SubGate), uint64(g), uint64(layout.MakeGate(g.Generation(), reason)))
}

// Gate returns the gate of subscriber s.
func (r *Ring) Gate(s int) layout.Gate {
	return layout.Gate(atomic.LoadUint64(r.subWord(s, layout.SubGate)))
}

// ForgetGate clears the bit of subscriber s in the bitmap of gates, so that publishers no longer
// look at its gate. Only the owner of the record may call it, while the gate is open.
func (r *Ring) ForgetGate(s int) {
	atomic.AndUint64(r.word(layout.HeaderGates+8*(s/64)), ^uint64(1<<(s%64)))
}
