package layout

// An Entry is a word of the ring: lap:32 tag:12 slot:20, lap in the high bits. Publishers exchange
// it by compare-and-swap; readers load it atomically, before and after they read the slot.
type Entry uint64

const (
	slotBits = 20
	tagBits  = 12
	slotMask = 1<<slotBits - 1
	tagMask  = 1<<tagBits - 1
)

// MakeEntry packs the word; tag and slot are cut to their widths.
func MakeEntry(lap, tag, slot uint32) Entry {
	return Entry(lap)<<32 | Entry(tag&tagMask)<<slotBits | Entry(slot&slotMask)
}

// NextLap returns the entry that follows e one lap later, with the given slot and the tag of label.
// The slot is not cut to its width, and label has no bits but those of a tag.
func (e Entry) NextLap(label Entry, slot uint32) Entry {
	return (e>>32+1)<<32 | label | Entry(slot)
}

// Lap returns the lap of the position that the entry holds.
func (e Entry) Lap() uint32 { return uint32(e >> 32) }

// Tag returns the topic tag of the message in the entry.
func (e Entry) Tag() uint32 { return uint32(e>>slotBits) & tagMask }

// Slot returns the number of the slot in the entry. The caller compares it with the number of slots
// before it uses it.
func (e Entry) Slot() uint32 { return uint32(e) & slotMask }

// LapOf returns the lap of a position in a ring of 2^shift entries. Positions of the first lap have
// lap 1; lap 0 means that the entry was never written.
func LapOf(position uint64, shift uint) uint32 { return uint32(position>>(shift&63)) + 1 }

// LapsAhead returns by how many laps a is ahead of b, negative if it is behind. The result is right
// if they are less than 2^31 laps apart.
func LapsAhead(a, b uint32) int32 { return int32(a - b) }
