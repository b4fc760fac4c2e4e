package ring

import (
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/fence"
	"shmbus/layout"
)

// A Start says where a reader begins.
type Start struct {
	kind     uint8
	position uint64
}

// FromNow begins with the next message to be published.
func FromNow() Start { return Start{} }

// FromOldest begins with the oldest message that the ring still holds.
func FromOldest() Start { return Start{kind: 1} }

// From begins at a position, which may be lost already or not yet published.
func From(position uint64) Start { return Start{kind: 2, position: position} }

// A Cursor reads the ring's messages in order. It is for one goroutine. Reading is passive: publishers do
// not notice a cursor unless its subscriber record has a closed gate.
type Cursor struct {
	memory memory
	r      *Ring
	next   uint64
	shared *uint64 // the record's cursor word, written by this cursor, read by publishers and monitors
	margin uint64  // how far from the oldest position the next jump lands
}

// Join returns a cursor for subscriber record s, which its caller owns, and closes the
// record's gate first if the reader is to be reliable.
//
// A reliable reader loses nothing from the head on that Join found. What is older than
// that, asked for by FromOldest or From, is held from now on, but a publisher that has not yet seen the gate
// may still overwrite some of it; the cursor then says Lapped as it does for others.
//
// A gate protects only what is still held. If From names a position that is overwritten already, the reader has a loss to learn first,
// whatever others do: until its [Cursor.Jump], the gate protects what is published from the head on that Join found,
// and publishers have a lap of room. A gate at the oldest position, or before it, would be a full ring: it would stop
// all publishers until the reader has begun to read.
func (r *Ring) Join(s int, start Start, reliable bool) *Cursor {
	c := &Cursor{memory: r.memory, r: r, shared: r.subWord(s, layout.SubCursor)}
	head := r.Head()
	if !reliable {
		c.SetNext(c.startAt(start, head))
		fault.At(fault.SubscribeCursor)
		fault.At(fault.SubscribeJoined)
		return c
	}
	atomic.StoreUint64(c.shared, r.keeps(c.startAt(start, head), head))
	fault.At(fault.SubscribeCursor)
	r.CloseGate(s)
	// Only now is the start taken: see Publisher.Rescan.
	head = r.headFrom(head)
	c.next = c.startAt(start, head)
	fence.StoreRelease(c.shared, r.keeps(c.next, head))
	fault.At(fault.SubscribeJoined)
	return c
}

// keeps returns the position that the gate of a reader protects that is to start at the given one.
func (r *Ring) keeps(start, head uint64) uint64 {
	if start < r.Oldest(head) {
		return head
	}
	return start
}

func (c *Cursor) startAt(start Start, head uint64) uint64 {
	switch start.kind {
	case 1:
		return c.r.Oldest(head)
	case 2:
		return start.position
	default:
		return head
	}
}

// Reader returns a cursor that belongs to no record: nobody sees it and nobody waits for it.
func (r *Ring) Reader(start Start) *Cursor {
	c := &Cursor{memory: r.memory, r: r, shared: new(uint64)}
	c.SetNext(c.startAt(start, r.Head()))
	return c
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

// A Like is what a reader expects of the next message: the tag of its entry and the kind of its frame.
type Like struct {
	Tag  uint32
	Kind layout.FrameKind
}

// Take reads the next message and moves behind it, if it is like the one described, fits into dst and was not
// overwritten. Otherwise it is false and changes nothing but dst: [Cursor.Peek] then says what there is. Of an entry with
// another tag it does not touch the slot.
func (c *Cursor) Take(like Like, dst []byte) (n int, ok bool) {
	s := c.Sight()
	if !c.Tagged(s, like.Tag) {
		return 0, false
	}
	fault.At(fault.ReceivePeeked)
	f := c.Find(s)
	n = f.Info.Size()
	if f.Info.Kind() != like.Kind || n > len(dst) || n > int(c.memory.slotSize)-layout.FrameHeaderSize {
		return 0, false
	}
	if Few(n) {
		f.Few(dst, n)
	} else {
		f.Copy(dst[:n])
	}
	fault.At(fault.ReceiveCopied)
	if !f.Stays(s) {
		return 0, false
	}
	c.Advance()
	return n, true
}

// A Sight is the position that a cursor reads next, with its entry and what that holds. A Find is its message: where it is, and the
// header of its frame.
//
// Sight, Tagged, Find, Few or Copy, Stays and [Cursor.Advance], in this order, are the steps of [Cursor.Take]. They are for callers that
// can not afford a call for each message, and so small that they are inlined.
type (
	Sight struct {
		entry *uint64
		is    layout.Entry
		pos   uint64
	}
	Find struct {
		Info layout.FrameInfo
		at   address
	}
)

// Sight looks at the next position.
func (c *Cursor) Sight() Sight {
	e := c.memory.entry(c.next & c.memory.mask)
	return Sight{e, layout.Entry(atomic.LoadUint64(e)), c.next}
}

// Tagged reports whether there is a message, with a slot that there is and the given tag.
func (c *Cursor) Tagged(s Sight, tag uint32) bool {
	return s.is&^layout.MakeEntry(0, 0, ^uint32(0)) == layout.MakeEntry(layout.LapOf(s.pos, c.memory.shift), tag, 0) && s.is.Slot() < c.memory.total
}

// Find returns the message in sight, which is Tagged. Nothing of it is to be believed before [Find.Stays] has said so.
func (c *Cursor) Find(s Sight) Find {
	at := c.memory.slot(s.is.Slot())
	return Find{layout.FrameInfo(atomic.LoadUint64(slotInfo(at))), at}
}

// Copy copies the frame's first len(dst) bytes, which are no more than a slot's payload.
func (f Find) Copy(dst []byte) { copyOut(dst, slotPayload(f.at)) }

// Stays reports whether everything that was read since s is what was published there.
func (f Find) Stays(s Sight) bool {
	position := atomic.LoadUint64(slotPosition(f.at))
	fence.Loads()
	return position == s.pos && atomic.LoadUint64(s.entry) == uint64(s.is)
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
