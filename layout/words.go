package layout

// An Entry is a word of the ring: lap:32 tag:12 slot:20, lap in the high bits.
type Entry uint64

const (
	slotBits = 20
	tagBits  = 12
	slotMask = 1<<slotBits - 1
	tagMask  = 1<<tagBits - 1
)

// MakeEntry packs an entry; tag and slot are cut to their widths.
func MakeEntry(lap, tag, slot uint32) Entry {
	return Entry(lap)<<32 | Entry(tag&tagMask)<<slotBits | Entry(slot&slotMask)
}

// NextLap returns the entry that follows e one lap later, with the given slot and the tag of label. slot has
// no more bits than MakeEntry leaves it, and label none but those of a tag.
func (e Entry) NextLap(label Entry, slot uint32) Entry { return (e>>32+1)<<32 | label | Entry(slot) }

// Lap returns the lap of the position that the entry holds.
func (e Entry) Lap() uint32 { return uint32(e >> 32) }

// Tag returns the topic tag of the message in the entry.
func (e Entry) Tag() uint32 { return uint32(e>>slotBits) & tagMask }

// Slot returns the number of the slot in the entry. It is not bounded by the number
// of slots there are: the caller compares before it uses it.
func (e Entry) Slot() uint32 { return uint32(e) & slotMask }

// LapOf returns the lap of a position in a ring of 2^shift entries. Lap 0 stands in
// entries that were never written; positions of the first lap have lap 1.
func LapOf(position uint64, shift uint) uint32 { return uint32(position>>(shift&63)) + 1 }

// LapsAhead returns how many laps a is ahead of b, negative when behind: right
// while they are less than 2^31 laps apart.
func LapsAhead(a, b uint32) int32 { return int32(a - b) }

// TopicTag returns the tag of the topic with the given hash.
func TopicTag(hash uint64) uint32 { return uint32(hash^hash>>tagBits^hash>>32) & tagMask }

// A TagSet is a set of tags. The zero set is empty.
type TagSet [(tagMask + 1) / 64]uint64

// Add adds a tag, cut to its width.
func (s *TagSet) Add(tag uint32) { s[tag&tagMask/64] |= 1 << (tag % 64) }

// Has reports whether a tag, cut to its width, is in the set.
func (s *TagSet) Has(tag uint32) bool { return s[tag&tagMask/64]&(1<<(tag%64)) != 0 }

// TopicHash returns the 64-bit FNV-1a hash of a topic's name.
func TopicHash(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(name); i++ {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h
}

// A Pair says which slot a publisher record owns: displaced:32 mine:32. Equal halves
// are settled; unequal ones mean that an exchange of mine for displaced was in flight.
type Pair uint64

// Settled returns the pair of a record that owns slot s. It is a product, so that nothing of [InFlight] is kept across an
// exchange to make it.
func Settled(s uint32) Pair { return Pair(s) * (1<<32 + 1) }

// InFlight returns the pair of a record that is exchanging mine for displaced.
func InFlight(mine, displaced uint32) Pair { return Pair(displaced)<<32 | Pair(mine) }

// Mine returns the slot that was owned before the exchange.
func (p Pair) Mine() uint32 { return uint32(p) }

// Displaced returns the slot that is owned after the exchange.
func (p Pair) Displaced() uint32 { return uint32(p >> 32) }

// IsSettled reports whether no exchange was in flight.
func (p Pair) IsSettled() bool { return p.Mine() == p.Displaced() }

// An Owner names the client that owns a record: generation:32 client+1:16 state:16.
// The zero Owner is nobody.
type Owner uint64

// States of an owned topic record. Records of other kinds use OwnerHeld only.
const (
	OwnerHeld  = 1 // taken, and not (or not yet) readable by others
	OwnerReady = 2 // complete; a ready topic stays when its creator is gone
)

// MakeOwner packs an owner word.
func MakeOwner(client int, generation uint32, state uint16) Owner {
	return Owner(generation)<<32 | Owner(uint16(client+1))<<16 | Owner(state)
}

// Client returns the owner's client number, -1 for nobody.
func (o Owner) Client() int { return int(uint16(o>>16)) - 1 }

// Generation returns the generation of the client that took the record.
func (o Owner) Generation() uint32 { return uint32(o >> 32) }

// State returns OwnerHeld or OwnerReady, 0 for nobody.
func (o Owner) State() uint16 { return uint16(o) }

// A ClientState is the first word of a client record: generation:32 state:32.
type ClientState uint64

// States of a client record.
const (
	ClientFree   = 0
	ClientJoined = 1
	ClientDead   = 2 // free, and its last client died: who listens to the bell can tell
)

// MakeClientState packs a client's state word.
func MakeClientState(generation, state uint32) ClientState {
	return ClientState(generation)<<32 | ClientState(state)
}

// Generation returns how many clients have used the record.
func (c ClientState) Generation() uint32 { return uint32(c >> 32) }

// State returns ClientFree, ClientJoined or ClientDead.
func (c ClientState) State() uint32 { return uint32(c) }

// A Gate is the word with which a reliable subscriber holds publishers back:
// generation:32 state:32. Whoever opens it does so by compare-and-swap, so that a
// late one cannot open the gate of the record's next owner.
type Gate uint64

// States of a gate.
const (
	GateOpen    = 0 // holds nobody back
	GateClosed  = 1 // nothing at or after the cursor may be displaced
	GateEvicted = 2 // opened by a publisher: the subscription is over
	GateDemoted = 3 // opened by a publisher: the subscription goes on as a lossy one
)

// MakeGate packs a gate word.
func MakeGate(generation, state uint32) Gate { return Gate(generation)<<32 | Gate(state) }

// Generation returns the generation of the gate.
func (g Gate) Generation() uint32 { return uint32(g >> 32) }

// State returns one of the gate states.
func (g Gate) State() uint32 { return uint32(g) }

// A Wake is the word through which a sleeper is woken: position:46 generation:16 state:2.
// The position is where the sleeper may resume.
type Wake uint64

// States of a wake word, in the order in which it goes through them.
const (
	Awake    = 0
	Asleep   = 1 // wants to be woken; nothing for it is published below the position
	Claimed  = 2 // a waker is about to post, or was stopped before it did
	Notified = 3 // posted
)

const (
	wakePositionBits = 46
	wakePositionMask = 1<<wakePositionBits - 1
)

// NotYet is the position of a sleeper that has not taken its last look: nobody may move it.
const NotYet = wakePositionMask

// MakeWake packs a wake word; the position keeps its low 46 bits.
func MakeWake(position uint64, generation uint16, state uint8) Wake {
	return Wake(position&wakePositionMask)<<18 | Wake(generation)<<2 | Wake(state&3)
}

// State returns Awake, Asleep, Claimed or Notified.
func (w Wake) State() uint8 { return uint8(w & 3) }

// Generation returns the number of the sleep, modulo 2^16.
func (w Wake) Generation() uint16 { return uint16(w >> 2) }

// IsNotYet reports whether the sleeper has no position yet.
func (w Wake) IsNotYet() bool { return w>>18 == NotYet }

// With returns the word with another state.
func (w Wake) With(state uint8) Wake { return w&^3 | Wake(state&3) }

// Position returns the full position, given one less than 2^45 away from it.
func (w Wake) Position(near uint64) uint64 {
	d := int64((uint64(w>>18)-near)<<(64-wakePositionBits)) >> (64 - wakePositionBits)
	return near + uint64(d)
}
