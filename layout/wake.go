package layout

// A Wake is the word through which a sleeper is woken: position:46 generation:16 state:2. The
// sleeper continues at the position, below which there is nothing for it.
type Wake uint64

// States of a wake word, in the order in which a sleep goes through them.
const (
	Awake    = 0
	Asleep   = 1 // to be woken when something for it is published at or above the position
	Claimed  = 2 // a waker is about to post, or was stopped before it did
	Notified = 3 // posted
)

const (
	wakePositionBits = 46
	wakePositionMask = 1<<wakePositionBits - 1
)

// NotYet is the position of a sleeper that has not yet taken its last look at the ring. Certifiers
// may not move it.
const NotYet = wakePositionMask

// MakeWake packs the word; the position is cut to its low 46 bits.
func MakeWake(position uint64, generation uint16, state uint8) Wake {
	return Wake(position&wakePositionMask)<<18 | Wake(generation)<<2 | Wake(state&3)
}

// State returns Awake, Asleep, Claimed or Notified.
func (w Wake) State() uint8 { return uint8(w & 3) }

// Generation returns the number of the sleep, modulo 2^16.
func (w Wake) Generation() uint16 { return uint16(w >> 2) }

// IsNotYet reports whether the position is NotYet.
func (w Wake) IsNotYet() bool { return w>>18 == NotYet }

// With returns the word with another state.
func (w Wake) With(state uint8) Wake { return w&^3 | Wake(state&3) }

// Position returns the full position, given another one that is less than 2^45 away from it.
func (w Wake) Position(near uint64) uint64 {
	d := int64((uint64(w>>18)-near)<<(64-wakePositionBits)) >> (64 - wakePositionBits)
	return near + uint64(d)
}
