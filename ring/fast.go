package ring

import (
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/fence"
	"shmbus/layout"
)

// A Loaded is the entry of the next position to publish or to read, with the value that was loaded
// from it.
type Loaded struct {
	entry *uint64
	value layout.Entry
	pos   uint64
}

// A Slot is the slot that a publisher fills and publishes next. A frame is published in the
// following steps. Each is small enough for the compiler to inline it into the caller:
//
//	slot := p.NextSlot()
//	if ByWords(len(frame)) {
//		slot.PutFront(frame)
//		slot.PutBack(frame)
//	} else {
//		p.Fill(0, frame)
//	}
//	slot.PutHeader(info)
//	loaded := p.Load()
//	if !p.Usable(loaded) {
//		return p.Exchange(info, tag) // the slow path
//	}
//	p.Announce(slot, loaded)                    // steps 1, 2 and 3 of the protocol
//	if !p.CompareAndSwap(slot, loaded, label) { // step 4
//		p.LostRace()
//		return p.Exchange(info, tag)
//	}
//	p.Settle(slot, loaded) // step 5
//	if loaded.EndsLine() {
//		p.Prefetch()
//	}
//
// A caller that has been idle calls [Publisher.Resume] first. A caller that has called Announce
// must call CompareAndSwap, and then to Settle or LostRace. The label is an entry with the topic's
// tag and nothing else.
//
// The locked instruction of step 4 waits for the stores before it, and no later instruction starts
// until it has completed. So everything that can be computed in advance is computed before step 4:
// NextSlot, for example, computes which slot comes after this one.
type Slot struct {
	own    *ownedSlot
	at     address
	number uint32
	turn   uint // what the publisher's turn is after this slot
}

// NextSlot returns the slot to be filled next.
func (p *Publisher) NextSlot() Slot {
	own := p.own()
	turn := p.turn + 1
	if turn >= p.count {
		turn = 0
	}
	return Slot{own, p.memory.slot(own.number), own.number, turn}
}

// PutHeader stores the frame's header: kind and size.
func (s Slot) PutHeader(info layout.FrameInfo) {
	fence.Store(slotInfo(s.at), uint64(info))
	fault.At(fault.PublishFilled)
}

// Load loads the entry of the next position.
func (p *Publisher) Load() Loaded {
	next := p.next
	e := p.memory.entry(next & p.memory.mask)
	return Loaded{e, layout.Entry(atomic.LoadUint64(e)), next}
}

// Usable reports whether a message may be published at the loaded position: the position is below
// the limit, its entry still has the previous lap, and the entry names an existing slot. If not,
// [Publisher.Exchange] finds out why, and continues if it can.
func (p *Publisher) Usable(l Loaded) bool {
	return l.pos < p.limit && l.value.Lap() == layout.LapOf(l.pos, p.memory.shift)-1 &&
		l.value.Slot() < p.memory.total
}

// Announce is steps 1 to 3: it records in shared memory what step 4 is about to do. If this
// publisher dies, the next owner of its record needs these words to decide which slots the record
// owns.
func (p *Publisher) Announce(s Slot, l Loaded) {
	fence.Store(slotPosition(s.at), l.pos)
	fence.Store(p.intent, l.pos+1)
	fault.At(fault.PublishIntended)
	fence.Store(s.own.pair, uint64(layout.InFlight(s.number, l.value.Slot())))
	fault.At(fault.PublishInFlight)
}

// CompareAndSwap is step 4: it publishes the slot, and reports false if another publisher has used
// the position.
func (p *Publisher) CompareAndSwap(s Slot, l Loaded, label layout.Entry) bool {
	if !atomic.CompareAndSwapUint64(
		l.entry, uint64(l.value), uint64(l.value.NextLap(label, s.number))) {
		fault.At(fault.PublishLostRace)
		return false
	}
	fault.At(fault.PublishExchanged)
	return true
}

// Settle is step 5: the displaced slot now belongs to the publisher's record.
func (p *Publisher) Settle(s Slot, l Loaded) {
	fence.Full()
	p.next, p.turn = l.pos+1, s.turn
	s.own.number = l.value.Slot()
	fence.Store(s.own.pair, uint64(layout.Settled(l.value.Slot())))
	fault.At(fault.PublishSettled)
}

// pausesAfterLoss is how many pauses a publisher makes after it has lost a race: about 300 ns on
// processors whose PAUSE takes 40 ns. Without them, two publishers that compete all the time would
// take the cache lines of the entries from each other for every message; with them, each has the
// lines for several messages.
const pausesAfterLoss = 8

// LostRace ends an attempt whose CompareAndSwap has failed: another publisher has used the
// position.
func (p *Publisher) LostRace() {
	p.next++
	p.own().withdraw(Limit)
	for range pausesAfterLoss {
		fence.Pause()
	}
}

// withdraw takes back the announcement of an exchange that did not happen, if there was one: the
// record still owns its slot. It returns st.
func (o *ownedSlot) withdraw(st Status) Status {
	fence.Store(o.pair, uint64(layout.Settled(o.number)))
	return st
}

// entriesOfLine is how many entries a cache line of 64 bytes holds.
const entriesOfLine = 64 / layout.EntrySize

// EndsLine reports whether the position is the last one in a cache line of entries. After
// publishing there, a publisher calls [Publisher.Prefetch].
func (l Loaded) EndsLine() bool { return l.pos%entriesOfLine == entriesOfLine-1 }

// Prefetch asks the processor for the cache line that follows the line of the next position's
// entry. Without it, a compare-and-swap waits until the line has arrived from a reader's processor.
func (p *Publisher) Prefetch() {
	fence.PrefetchWrite(p.memory.entry((p.next + entriesOfLine) & p.memory.mask))
}

// Exchange publishes the filled slot with the given frame header and topic tag. With Done, the
// message has position Next()-1. With Limit, nothing was published and the slot keeps its contents:
// call Exchange again after a [Publisher.Rescan] that found room. With Corrupt, the entry at Next
// holds a value that no correct program wrote.
func (p *Publisher) Exchange(info layout.FrameInfo, tag uint32) Status {
	s, label := p.NextSlot(), layout.MakeEntry(0, tag, 0)
	s.PutHeader(info)
	p.Resume()
	for {
		l := p.Load()
		if !p.Usable(l) {
			if st := p.recheck(); st != Done {
				return st
			}
			continue
		}
		p.Announce(s, l)
		if p.CompareAndSwap(s, l, label) {
			p.Settle(s, l)
			if l.EndsLine() {
				p.Prefetch()
			}
			return Done
		}
		p.LostRace()
	}
}

// recheck finds out why the next position was not usable. If it returns Done, Next is at the head,
// and another attempt is worthwhile.
func (p *Publisher) recheck() Status {
	if p.next >= p.limit {
		return p.own().withdraw(Limit)
	}
	if before := p.next; p.r.lowerBound(before) != before {
		// In a damaged ring the search can end where it began. Then the entry is examined below.
		if p.CatchUp(); p.next != before {
			return Done
		}
	}
	e := p.r.load(p.next)
	ahead := layout.LapsAhead(e.Lap(), layout.LapOf(p.next, p.memory.shift))
	if ahead < -1 || ahead == -1 && e.Slot() >= p.memory.total {
		return p.own().withdraw(Corrupt)
	}
	p.CatchUp()
	return Done
}

// A Frame is a message in its slot, with the frame's header. A message is read in the following
// steps. Each is small enough for the compiler to inline it into the caller:
//
//	loaded := c.Load()                  // step a of the protocol
//	if !c.Tagged(loaded, match.Tag) {
//		return // the slow path: Peek says which case it is
//	}
//	frame := c.Locate(loaded)           // step b
//	n := frame.Info.Size()
//	if frame.Info.Kind() != match.Kind || n > len(dst) {
//		return // the slow path
//	}
//	if ByWords(n) {
//		frame.CopyWords(dst, n)
//	} else {
//		frame.Copy(dst[:n])
//	}
//	if !frame.Valid(loaded) {           // step c
//		return // the slow path
//	}
//	c.Advance()                         // step d
//
// Here len(dst) is at most the size of a slot's payload. If it is larger, the caller must also
// bound n by that size.
type Frame struct {
	Info layout.FrameInfo
	at   address
}

// Load loads the entry of the next position.
func (c *Cursor) Load() Loaded {
	e := c.memory.entry(c.next & c.memory.mask)
	return Loaded{e, layout.Entry(atomic.LoadUint64(e)), c.next}
}

// Tagged reports whether the entry holds a message for this position with the given tag and a valid
// slot number.
func (c *Cursor) Tagged(l Loaded, tag uint32) bool {
	return l.value&^layout.MakeEntry(0, 0, ^uint32(0)) ==
		layout.MakeEntry(layout.LapOf(l.pos, c.memory.shift), tag, 0) &&
		l.value.Slot() < c.memory.total
}

// Locate returns the message of a loaded entry for which [Cursor.Tagged] is true. Nothing that is
// read from it may be trusted before [Frame.Valid] has returned true.
func (c *Cursor) Locate(l Loaded) Frame {
	at := c.memory.slot(l.value.Slot())
	return Frame{layout.FrameInfo(atomic.LoadUint64(slotInfo(at))), at}
}

// Copy copies the first len(dst) bytes of the payload. len(dst) is at most the payload of a slot.
func (f Frame) Copy(dst []byte) { copyOut(dst, slotPayload(f.at)) }

// Valid reports whether everything that was read from the slot since l was loaded belongs to the
// message published at l's position.
func (f Frame) Valid(l Loaded) bool {
	position := atomic.LoadUint64(slotPosition(f.at))
	fence.Loads()
	return position == l.pos && atomic.LoadUint64(l.entry) == uint64(l.value)
}

// A Match is what a reader expects of the next message: the tag of its entry and the kind of its
// frame.
type Match struct {
	Tag  uint32
	Kind layout.FrameKind
}

// Take reads the next message and advances, if the message is as expected, fits into dst and was
// not overwritten meanwhile. Otherwise ok is false, the cursor has not moved, and dst may have been
// written to; [Cursor.Peek] says which case it is. Take does not touch the slot of an entry with
// another tag.
func (c *Cursor) Take(match Match, dst []byte) (n int, ok bool) {
	l := c.Load()
	if !c.Tagged(l, match.Tag) {
		return 0, false
	}
	fault.At(fault.ReceivePeeked)
	f := c.Locate(l)
	n = f.Info.Size()
	if f.Info.Kind() != match.Kind || n > len(dst) ||
		n > int(c.memory.slotSize)-layout.FrameHeaderSize {
		return 0, false
	}
	if ByWords(n) {
		f.CopyWords(dst, n)
	} else {
		f.Copy(dst[:n])
	}
	fault.At(fault.ReceiveCopied)
	if !f.Valid(l) {
		return 0, false
	}
	c.Advance()
	return n, true
}
