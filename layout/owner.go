package layout

// An Owner names the client that owns a record: generation:32 client+1:16 state:16. The zero Owner
// is no client's: the record is free.
type Owner uint64

// States of an owned topic record. Records of other kinds use OwnerHeld only.
const (
	OwnerHeld  = 1 // taken, but not yet (or never) readable by others
	OwnerReady = 2 // complete; a topic stays ready when its creator has left
)

// MakeOwner packs the word.
func MakeOwner(client int, generation uint32, state uint16) Owner {
	return Owner(generation)<<32 | Owner(uint16(client+1))<<16 | Owner(state)
}

// Client returns the owner's client number, or -1 for the zero Owner.
func (o Owner) Client() int { return int(uint16(o>>16)) - 1 }

// Generation returns the generation of the client record when the client took this record.
func (o Owner) Generation() uint32 { return uint32(o >> 32) }

// State returns OwnerHeld or OwnerReady, or 0 for the zero Owner.
func (o Owner) State() uint16 { return uint16(o) }
