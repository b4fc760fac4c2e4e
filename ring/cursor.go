package ring

import (
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/fence"
	"shmbus/layout"
)

// A Cursor reads the ring's messages in order. It is for one goroutine. Publishers do not notice a
// cursor, unless the gate of its subscriber record is closed.
type Cursor struct {
	memory memory
	r      *Ring
	next   uint64
	shared *uint64 // the record's cursor word; written here, read by publishers
	margin uint64  // how far above the oldest position the next jump lands
}

// Next returns the position that is read next.
func (c *Cursor) Next() uint64 { return c.next }

// Position returns the same as [Cursor.Next], and may be called by any goroutine at any time.
func (c *Cursor) Position() uint64 { return atomic.LoadUint64(&c.next) }

// SetNext moves the cursor to position, and so releases all messages before it.
func (c *Cursor) SetNext(position uint64) {
	fence.Store(&c.next, position)
	fence.StoreRelease(c.shared, position)
}

// Advance releases the message at Next and moves the cursor to the one after it.
func (c *Cursor) Advance() {
	fence.Store(&c.next, c.next+1)
	fence.StoreRelease(c.shared, c.next)
}

// Skip moves the cursor by n positions, but releases nothing: the next Advance or SetNext does.
func (c *Cursor) Skip(n uint64) { fence.Store(&c.next, c.next+n) }

// Unwanted counts the messages from Next on whose tags are not in the set wanted. It stops at
// limit, at the first wanted message, and where there is no message. It does not move the cursor.
func (c *Cursor) Unwanted(wanted *layout.TagSet, limit uint64) uint64 {
	r := &c.memory
	for i := range limit {
		pos := c.next + i
		e := layout.Entry(atomic.LoadUint64(r.entry(pos & r.mask)))
		if e.Lap() != layout.LapOf(pos, r.shift) || wanted.Has(e.Tag()) {
			return i
		}
	}
	return limit
}

// Await looks at the ring up to n times, with a pause after each look. It returns true as soon as
// there is a message at Next or Next was overwritten.
func (c *Cursor) Await(n int) bool {
	for range n {
		if _, st := c.Peek(); st != Empty {
			return true
		}
		fence.Pause()
	}
	return false
}

// Peek looks for a message at Next. It returns Done and the message's entry, Empty, or Lapped. Peek
// compares laps modulo 2^32. A caller that has not read for so long that laps may have wrapped must
// ask [Cursor.Outdated] before it relies on the result.
func (c *Cursor) Peek() (layout.Entry, Status) {
	e := layout.Entry(atomic.LoadUint64(c.memory.entry(c.next & c.memory.mask)))
	switch ahead := layout.LapsAhead(e.Lap(), layout.LapOf(c.next, c.memory.shift)); {
	case ahead == 0:
		return e, Done
	case ahead < 0:
		return e, Empty
	default:
		return e, Lapped
	}
}

// Outdated reports whether the message at Next was certainly overwritten, because the certified
// position is more than a lap above Next. If Outdated returns false, an entry that was loaded
// before the call has a lap that can be compared with the lap of Next.
func (c *Cursor) Outdated() bool { return c.r.lowerBound(c.next)-c.next > c.r.Slots() }

// Astray reports whether Next is further ahead than the ring allows: the entry is more than one lap
// behind Next. A correct program never brings a cursor there, but damaged words can, and the cursor
// would wait there for ever. The cursor must not be Outdated.
func (c *Cursor) Astray() bool {
	return layout.LapsAhead(c.r.load(c.next).Lap(), layout.LapOf(c.next, c.memory.shift)) < -1
}

// View returns the frame header and, in place, the payload of the entry that Peek returned. Neither
// may be trusted before [Cursor.Valid] has returned Done; only the payload's length is already
// bounded, by the size of a slot. The status is Corrupt if the entry names a slot that does not
// exist.
//
// In race-detector builds the payload is a copy.
func (c *Cursor) View(e layout.Entry) (layout.FrameInfo, []byte, Status) {
	if e.Slot() >= c.memory.total {
		return 0, nil, Corrupt
	}
	slot := c.memory.slot(e.Slot())
	info := layout.FrameInfo(atomic.LoadUint64(slotInfo(slot)))
	n := min(info.Size(), int(c.memory.slotSize)-layout.FrameHeaderSize)
	if fence.RaceEnabled {
		b := make([]byte, n)
		copyOut(b, slotPayload(slot))
		return info, b, Done
	}
	return info, bytesAt(slotPayload(slot), n), Done
}

// Copy copies payload bytes of entry e, from offset off on, to dst. off is a multiple of 8, and
// off+len(dst) at most the length of the payload that [Cursor.View] returned. The bytes may not be
// trusted before Valid has returned Done.
func (c *Cursor) Copy(e layout.Entry, off int, dst []byte) {
	payload := uint(c.memory.slotSize) - layout.FrameHeaderSize
	if e.Slot() < c.memory.total && off >= 0 && uint(off)+uint(len(dst)) <= payload {
		copyOut(dst, payloadAt(c.memory.slot(e.Slot()), off))
	}
}

// Valid says whether what was read since Peek returned e is what was published at Next. It returns
// Done if so, Lapped if the slot may have been overwritten meanwhile, and Corrupt if the slot holds
// another position or a size larger than a slot.
func (c *Cursor) Valid(e layout.Entry, info layout.FrameInfo) Status {
	position := atomic.LoadUint64(slotPosition(c.memory.slot(e.Slot())))
	if !c.Unchanged(e) {
		return Lapped
	}
	if position != c.next || uint(info.Size()) > uint(c.memory.slotSize)-layout.FrameHeaderSize {
		return c.mismatch(position)
	}
	return Done
}

// Unchanged reports whether the entry at Next is still e, which Peek has returned with Done. If so,
// what was read from its slot in between is what was published at Next, no matter which
// instructions read it. On arm64 this needs the load barrier before the second load of the entry.
func (c *Cursor) Unchanged(e layout.Entry) bool {
	fence.Loads()
	return atomic.LoadUint64(c.memory.entry(c.next&c.memory.mask)) == uint64(e)
}

// mismatch returns the status of a message whose entry is valid for Next but whose slot header is
// not. If the position in the header has the same lap and the same entry as Next, it differs from
// Next by a multiple of 2^32 laps, and the message at Next was overwritten. Otherwise no correct
// program wrote the header.
func (c *Cursor) mismatch(position uint64) Status {
	sameLap := layout.LapOf(position, c.memory.shift) == layout.LapOf(c.next, c.memory.shift)
	if position != c.next && sameLap && position&c.memory.mask == c.next&c.memory.mask {
		return Lapped
	}
	return Corrupt
}

// Read copies the payload of the entry that Peek returned to dst and validates it. n is the size of
// the payload; only the first len(dst) bytes of a larger one are copied.
func (c *Cursor) Read(e layout.Entry, dst []byte) (info layout.FrameInfo, n int, st Status) {
	if e.Slot() >= c.memory.total {
		return 0, 0, Corrupt
	}
	slot := c.memory.slot(e.Slot())
	info = layout.FrameInfo(atomic.LoadUint64(slotInfo(slot)))
	n = min(info.Size(), int(c.memory.slotSize)-layout.FrameHeaderSize)
	copyOut(dst[:min(n, len(dst))], slotPayload(slot))
	return info, n, c.Valid(e, info)
}

// Jump moves a lapped cursor to where it can continue. It returns the lost positions, from … to-1.
// It lands on the oldest position that the ring holds. If that is overwritten as well before
// [Cursor.CaughtUp], the next jump lands further ahead, and so on: otherwise a reader that is too
// slow could lose its next message every time.
func (c *Cursor) Jump() (from, to uint64) {
	from = c.next
	head := c.r.headFrom(c.next)
	to = max(c.r.Oldest(head)+c.margin, from+1)
	c.margin = min(max(2*c.margin, c.r.Slots()/16, 1), c.r.Slots()/2)
	c.SetNext(min(to, head))
	fault.At(fault.ReceiveLapped)
	return from, c.next
}

// CaughtUp notes that the reader has read the newest message: the next jump lands on the oldest
// position again.
func (c *Cursor) CaughtUp() { c.margin = 0 }
