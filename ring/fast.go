package ring

import (
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/fence"
	"shmbus/layout"
)

// entriesOfLine is how many entries a cache line of 64 bytes holds.
const entriesOfLine = 64 / layout.EntrySize

// pausesAfterLoss is how many pauses a publisher leaves to the one that was faster: some 300 ns on processors whose PAUSE takes 40.
// Two that go for the same entries all the time take their cache lines from each other for every message; so each has
// them for several.
const pausesAfterLoss = 8

// Exchange publishes the filled slot with the given frame header and topic tag. With Done
// it has position Next()-1. With Limit, nothing is published and the slot keeps what it was filled with:
// after a [Publisher.Rescan] that made room, call Exchange again.
func (p *Publisher) Exchange(info layout.FrameInfo, tag uint32) Status {
	f, label := p.Filling(), layout.MakeEntry(0, tag, 0)
	f.Describe(info)
	p.Resume()
	for {
		a := p.Aim()
		if !p.Good(a) {
			if st := p.missed(); st != Done {
				return st
			}
			continue
		}
		p.Announce(f, a)
		if p.Swap(f, a, label) {
			p.Settle(f, a)
			if a.EndsLine() {
				p.FetchAhead()
			}
			return Done
		}
		p.Lost()
	}
}

// A Filling is the slot that a publisher fills next. An Aim is the position that it takes next, with its entry and what that holds.
//
// Filling, Head and Tail if they are [Few], Describe, Aim, Good, Announce, Swap and Settle, in this order, are the steps of a
// publish. They are for callers that can not afford a call for each message, and so small that they are inlined. Whoever begins with Announce goes on to
// Settle, or, after a Swap that was in vain, to [Publisher.Lost] and [Publisher.Exchange].
//
// What can be computed before the locked instruction of Swap is: nothing after it runs before it ends.
type (
	Filling struct {
		own  *owned
		at   address
		slot uint32
		turn uint // the next
	}
	Aim struct {
		entry *uint64
		was   layout.Entry
		pos   uint64
	}
)

// Filling returns the slot to be filled.
func (p *Publisher) Filling() Filling {
	own := p.own()
	turn := p.turn + 1
	if turn >= p.count {
		turn = 0
	}
	return Filling{own, p.memory.slot(own.slot), own.slot, turn}
}

// Describe stores the frame's header.
func (f Filling) Describe(info layout.FrameInfo) {
	fence.Store(slotInfo(f.at), uint64(info))
	fault.At(fault.PublishFilled)
}

// Aim takes aim.
func (p *Publisher) Aim() Aim {
	next := p.next
	e := p.memory.entry(next & p.memory.mask)
	return Aim{e, layout.Entry(atomic.LoadUint64(e)), next}
}

// Good reports whether an aim is good. It is not if the position is taken already, if the limit is reached or if the entry is
// not to be believed: [Publisher.Exchange] finds out which, and goes on if it can.
func (p *Publisher) Good(a Aim) bool {
	return a.pos < p.limit && a.was.Lap() == layout.LapOf(a.pos, p.memory.shift)-1 && a.was.Slot() < p.memory.total
}

// Announce says in shared memory what is going to happen, for whoever has to find out should this publisher die.
func (p *Publisher) Announce(f Filling, a Aim) {
	fence.Store(slotPosition(f.at), a.pos)
	fence.Store(p.intent, a.pos+1)
	fault.At(fault.PublishIntended)
	fence.Store(f.own.pair, uint64(layout.InFlight(f.slot, a.was.Slot())))
	fault.At(fault.PublishInFlight)
}

// Swap publishes, unless another publisher was faster. The label is an entry that has the topic's tag and nothing else.
func (p *Publisher) Swap(f Filling, a Aim, label layout.Entry) bool {
	if !atomic.CompareAndSwapUint64(a.entry, uint64(a.was), uint64(a.was.Next(label, f.slot))) {
		fault.At(fault.PublishLostRace)
		return false
	}
	fault.At(fault.PublishExchanged)
	return true
}

// Settle makes the displaced slot the publisher's.
func (p *Publisher) Settle(f Filling, a Aim) {
	fence.Full()
	p.next, p.turn = a.pos+1, f.turn
	f.own.slot = a.was.Slot()
	fence.Store(f.own.pair, uint64(layout.Settled(a.was.Slot())))
	fault.At(fault.PublishSettled)
}

// Lost ends an attempt whose Swap was in vain: another publisher has the position.
func (p *Publisher) Lost() {
	p.next++
	p.own().giveUp(Limit)
	for range pausesAfterLoss {
		fence.Pause()
	}
}

// missed says why an aim was not good, Done if it is worth another.
func (p *Publisher) missed() Status {
	if p.next >= p.limit {
		return p.own().giveUp(Limit)
	}
	if before := p.next; p.r.near(before) != before {
		// In a ring that is damaged the search may come round to where it began.
		if p.CatchUp(); p.next != before {
			return Done
		}
	}
	w := p.r.load(p.next)
	if ahead := layout.LapsAhead(w.Lap(), layout.LapOf(p.next, p.memory.shift)); ahead < -1 || ahead == -1 && w.Slot() >= p.memory.total {
		return p.own().giveUp(Corrupt)
	}
	p.CatchUp()
	return Done
}

// giveUp ends an attempt that published nothing.
func (o *owned) giveUp(st Status) Status {
	fence.Store(o.pair, uint64(layout.Settled(o.slot)))
	return st
}

// EndsLine reports whether the position is the last of a cache line of entries: then it is time to [Publisher.FetchAhead].
func (a Aim) EndsLine() bool { return a.pos%entriesOfLine == entriesOfLine-1 }

// FetchAhead has the processor fetch the entries that follow next but one line: a compare-and-swap of an entry that a reader's
// processor has would wait for it.
func (p *Publisher) FetchAhead() {
	fence.PrefetchWrite(p.memory.entry((p.next + entriesOfLine) & p.memory.mask))
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
