package ring

import (
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/fence"
	"shmbus/layout"
)

// A Cursor reads the ring's messages in order. It is for one goroutine. Reading is passive: publishers do
// not notice a cursor unless its subscriber record has a closed gate.
type Cursor struct {
	memory memory
	r      *Ring
	next   uint64
	shared *uint64 // the record's cursor word, written by this cursor, read by publishers and monitors
	margin uint64  // how far from the oldest position the next jump lands
}

// Next returns the position that is read next.
func (c *Cursor) Next() uint64 { return c.next }

// Position is Next for any goroutine, while the cursor's own goes on.
func (c *Cursor) Position() uint64 { return atomic.LoadUint64(&c.next) }

// SetNext moves the cursor: everything before position is released.
func (c *Cursor) SetNext(position uint64) {
	fence.Store(&c.next, position)
	fence.StoreRelease(c.shared, position)
}

// Advance releases the message at Next and moves to the one after it.
func (c *Cursor) Advance() {
	fence.Store(&c.next, c.next+1)
	fence.StoreRelease(c.shared, c.next)
}

// Skip moves on by n positions without telling publishers yet: the next Advance or SetNext does.
func (c *Cursor) Skip(n uint64) { fence.Store(&c.next, c.next+n) }

// Unwanted returns how many of the next messages, at most limit, have tags that are not wanted. It moves nothing.
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

// Await looks up to n times, with a pause between, whether there is something to read at Next, or it is lost.
func (c *Cursor) Await(n int) bool {
	for range n {
		if _, st := c.Peek(); st != Empty {
			return true
		}
		fence.Pause()
	}
	return false
}

// Peek says whether there is a message at Next: Done with its entry, Empty, or Lapped. It compares laps, which are the same again
// after 2^32 of them: where nothing was read for so long that [Cursor.Outdated], what it says means nothing.
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

// Outdated reports whether the message at Next was overwritten for certain, since more than a lap after it is certified. If it is
// false, entries that were loaded before have the laps that they seem to have.
func (c *Cursor) Outdated() bool { return c.r.near(c.next)-c.next > c.r.Slots() }

// Astray reports whether Next is further ahead than the ring allows: its entry is more than one lap behind it. No
// correct program brings a cursor there; words that were damaged do, and it would wait there for ever. The cursor is not
// Outdated.
func (c *Cursor) Astray() bool {
	return layout.LapsAhead(c.r.load(c.next).Lap(), layout.LapOf(c.next, c.memory.shift)) < -1
}

// View returns the frame header and the payload of the entry that Peek returned, in
// place. Until [Cursor.Valid] has said so afterwards, nothing of it is to be believed; the size is already
// bounded by the slot. It returns Corrupt for an entry that names no slot.
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

// Copy copies bytes of the payload of entry e from offset off on, a multiple of 8, to dst. The caller has bounded both by
// what [Cursor.View] returned; as there, nothing is to be believed before Valid has said so.
func (c *Cursor) Copy(e layout.Entry, off int, dst []byte) {
	if e.Slot() < c.memory.total && off >= 0 && uint(off)+uint(len(dst)) <= uint(c.memory.slotSize)-layout.FrameHeaderSize {
		copyOut(dst, payloadAt(c.memory.slot(e.Slot()), off))
	}
}

// Valid reports whether everything read since Peek returned e is what was published at
// Next: Done, or Lapped when the slot may have been overwritten, or Corrupt when the slot holds another
// position or a size it has no room for.
func (c *Cursor) Valid(e layout.Entry, info layout.FrameInfo) Status {
	position := atomic.LoadUint64(slotPosition(c.memory.slot(e.Slot())))
	if !c.Holds(e) {
		return Lapped
	}
	if position != c.next || uint(info.Size()) > uint(c.memory.slotSize)-layout.FrameHeaderSize {
		return c.unlikely(position)
	}
	return Done
}

// Holds reports whether the entry that Peek returned with Done is still the one at Next. Then everything that
// was read of its slot before is what was published there, by whatever instructions it was read: no look at the
// entry without a load barrier before it validates anything on arm64.
func (c *Cursor) Holds(e layout.Entry) bool {
	fence.Loads()
	return atomic.LoadUint64(c.memory.entry(c.next&c.memory.mask)) == uint64(e)
}

// unlikely decides about a slot whose header does not say Next although its entry does: after
// 2^32 laps that is a message of another time, otherwise nobody correct wrote it.
func (c *Cursor) unlikely(position uint64) Status {
	if position != c.next && layout.LapOf(position, c.memory.shift) == layout.LapOf(c.next, c.memory.shift) && position&c.memory.mask == c.next&c.memory.mask {
		return Lapped
	}
	return Corrupt
}

// Read copies the payload of the entry that Peek returned into dst and validates it. It
// returns how many bytes there are; more than len(dst) were not copied.
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

// Jump moves a lapped cursor to where it can read on, and returns the lost positions, from … to-1. It lands on the
// oldest position held, and if that is lost as well before [Cursor.CaughtUp], further behind it each time, so that a
// reader that is too slow does not lose its next message at once for ever.
func (c *Cursor) Jump() (from, to uint64) {
	from = c.next
	head := c.r.headFrom(c.next)
	to = max(c.r.Oldest(head)+c.margin, from+1)
	c.margin = min(max(2*c.margin, c.r.Slots()/16, 1), c.r.Slots()/2)
	c.SetNext(min(to, head))
	fault.At(fault.ReceiveLapped)
	return from, c.next
}

// CaughtUp notes that the reader has seen the newest message.
func (c *Cursor) CaughtUp() { c.margin = 0 }
