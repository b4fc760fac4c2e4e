package ring

import (
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/fence"
	"shmbus/layout"
)

// A Status says how an attempt to publish or to read ended.
type Status uint8

const (
	Done    Status = iota // published, or there is a message
	Limit                 // publish: the cached limit is reached; see Publisher.Rescan
	Empty                 // read: nothing yet
	Lapped                // read: the position was overwritten; see Cursor.Jump
	Corrupt               // a word that no correct program wrote
)

// A Publisher puts frames into the ring on behalf of one publisher record, which it alone uses.
// It is for one goroutine.
//
// The record's fields in shared memory are written by this publisher only. Pairs and intent
// are read by whoever recovers or certifies; they are ordered by the compare-and-swap between them.
type Publisher struct {
	memory memory
	r      *Ring
	next   uint64 // the next position to try; next-1 was seen filled
	limit  uint64 // positions from here on need a Rescan first
	turn   uint   // index in owned of the slot to fill next
	count  uint   // of owned slots
	run    uint   // how many of them PublishRun fills at once
	owned  [maxOwned]owned
	intent *uint64
	index  int

	certified *uint64 // everything below is published
}

// entriesOfLine is how many entries a cache line of 64 bytes holds.
const entriesOfLine = 64 / layout.EntrySize

// maxOwned is a power of two that is not below layout.MaxOwned, so that a masked index needs no check.
const maxOwned = 16

// owned is a slot that the record owns, and the record's word that says so.
type owned struct {
	slot uint32
	pair *uint64
}

// Publisher returns the publisher of record i, whose previous owner, if any, has left or is
// dead. It settles what the previous owner left in flight as far as there is evidence. Its error
// wraps [ErrUnsettled] when no slot of the record is known to be the record's.
func (r *Ring) Publisher(i int) (*Publisher, error) {
	if i < 0 || i >= r.layout.Geometry.Publishers {
		return nil, corrupt("publisher record %d of %d", i, r.layout.Geometry.Publishers)
	}
	p := &Publisher{memory: r.memory, r: r, index: i, intent: r.pubWord(i, layout.PubIntent),
		certified: r.word(layout.HeaderCertified)}
	if err := r.settle(i); err != nil {
		return nil, err
	}
	for k := range r.layout.Geometry.Owned {
		w := r.pairWord(i, k)
		pair := layout.Pair(atomic.LoadUint64(w))
		if !pair.IsSettled() {
			continue
		}
		if pair.Mine() >= r.total {
			return nil, corrupt("publisher record %d owns slot %d of %d", i, pair.Mine(), r.total)
		}
		p.owned[p.count] = owned{pair.Mine(), w}
		p.count++
	}
	if p.count == 0 {
		return nil, ErrUnsettled
	}
	p.run = min(p.count, max(runBytes/uint(r.layout.Geometry.SlotSize), 1))
	p.next = r.Head()
	p.limit = p.next // the first publish looks at the gates
	return p, nil
}

// Index returns the number of the publisher's record.
func (p *Publisher) Index() int { return p.index }

// Next returns a position of which it is known that all before it are published. The
// next message gets this position or a later one.
func (p *Publisher) Next() uint64 { return p.next }

// CatchUp moves Next to the head.
func (p *Publisher) CatchUp() { p.next = p.r.headFrom(p.next) }

// Resume is for a publisher that may have been idle for long, before it takes [Publisher.Aim] by itself: after a multiple of 2^32
// laps the entry at Next looks as it did. It costs a load. [Publisher.Exchange] does it, too.
func (p *Publisher) Resume() {
	if atomic.LoadUint64(p.certified) > p.next {
		p.CatchUp()
	}
}

// Payload returns the payload of the slot that the next [Publisher.Exchange] publishes, to be filled in place.
// In race-detector builds it is a copy that [Publisher.CommitPayload] writes back.
func (p *Publisher) Payload() []byte {
	n := p.r.layout.Geometry.SlotPayload()
	if fence.RaceEnabled {
		return make([]byte, n)
	}
	return bytesAt(slotPayload(p.slot()), n)
}

// CommitPayload completes a fill in place of b, a prefix of what [Publisher.Payload] returned.
func (p *Publisher) CommitPayload(b []byte) {
	if fence.RaceEnabled {
		copyIn(slotPayload(p.slot()), b)
	}
}

// Fill copies b to offset off of the payload of the slot that is published next. off is a
// multiple of 8; off+len(b) is at most the slot's payload.
func (p *Publisher) Fill(off int, b []byte) {
	if off < 0 || uint(off)+uint(len(b)) > uint(p.memory.slotSize)-layout.FrameHeaderSize {
		panic("ring: frame larger than a slot")
	}
	copyIn(payloadAt(p.slot(), off), b)
}

// FillWord stores a word at offset off of the payload, a multiple of 8.
func (p *Publisher) FillWord(off int, v uint64) {
	if off < 0 || uint(off)+8 > uint(p.memory.slotSize)-layout.FrameHeaderSize {
		panic("ring: frame larger than a slot")
	}
	fence.Store(payloadWord(p.slot(), off), v)
}

func (p *Publisher) own() *owned { return &p.owned[p.turn%maxOwned] }

func (p *Publisher) slot() address { return p.memory.slot(p.own().slot) }

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

// EndsLine reports whether the position is the last of a cache line of entries: then it is time to [Publisher.FetchAhead].
func (a Aim) EndsLine() bool { return a.pos%entriesOfLine == entriesOfLine-1 }

// FetchAhead has the processor fetch the entries that follow next but one line: a compare-and-swap of an entry that a reader's
// processor has would wait for it.
func (p *Publisher) FetchAhead() {
	fence.PrefetchWrite(p.memory.entry((p.next + entriesOfLine) & p.memory.mask))
}

// runBytes bounds how much PublishRun copies before it publishes anything.
const runBytes = 64 << 10

// PublishRun publishes the first of frames, all with the same info but for their sizes, as many as there are slots to fill at
// once. It ends before a frame that has no byte or does not fit a slot. With another status than Done, frame n has filled a slot with left
// bytes, but could not be exchanged. Each frame is looked at once: somebody may change frames meanwhile.
//
// All slots are filled before the first is exchanged: a locked instruction waits for the stores before it.
func (p *Publisher) PublishRun(frames [][]byte, info layout.FrameInfo, tag uint32) (n, left int, st Status) {
	room := uint(p.memory.slotSize) - layout.FrameHeaderSize
	var sizes [maxOwned]uint32
	k, turn := 0, p.turn
	for ; k < len(frames) && uint(k) < p.run; k++ {
		frame := frames[k]
		if uint(len(frame))-1 >= room {
			break
		}
		sizes[k%maxOwned] = uint32(len(frame))
		f := Filling{at: p.memory.slot(p.owned[turn%maxOwned].slot)}
		if Few(len(frame)) {
			f.Head(frame)
			f.Tail(frame)
		} else {
			copyIn(slotPayload(f.at), frame)
		}
		if turn++; turn >= p.count {
			turn = 0
		}
	}
	// The first attempt is made here and not in Exchange: calls would cost a batch a tenth of its throughput.
	for ; n < k; n++ {
		size := sizes[n%maxOwned]
		info := info | layout.FrameInfo(size)
		if a := p.Aim(); p.Good(a) {
			f := p.Filling()
			f.Describe(info)
			p.Announce(f, a)
			if p.Swap(f, a, layout.MakeEntry(0, tag, 0)) {
				p.Settle(f, a)
				if a.EndsLine() {
					p.FetchAhead()
				}
				continue
			}
			p.Lost()
		}
		if st := p.Exchange(info, tag); st != Done {
			return n, int(size), st
		}
	}
	return n, 0, Done
}

// giveUp ends an attempt that published nothing.
func (o *owned) giveUp(st Status) Status {
	fence.Store(o.pair, uint64(layout.Settled(o.slot)))
	return st
}

// Rescan looks at the gates and computes how far this publisher may go without looking again. It returns the
// number of the slowest subscriber and its position when there is no room for the next message, and
// -1 otherwise.
//
// The limit is capped at a lap from a position known to be published when the scan began: a gate that the scan
// missed was closed later, and its subscriber starts at that position or above, so the cap keeps this publisher off it. It
// is capped at half a lap so that whoever calls Rescan comes by often enough for what else it has to do.
func (p *Publisher) Rescan() (slowest int, position uint64) {
	r := p.r
	p.CatchUp()
	seen := p.next
	n := r.Slots()
	slowest, position = r.slowest(seen)
	p.limit = min(seen+n/2, position+n)
	if p.next < p.limit {
		return -1, position
	}
	return slowest, position
}

// Room returns how many messages may be published before the next look at the gates.
func (p *Publisher) Room() uint64 {
	if p.next >= p.limit {
		return 0
	}
	return p.limit - p.next
}

// FillUnaligned copies b to any offset of the payload.
func (p *Publisher) FillUnaligned(off int, b []byte) {
	if off < 0 || uint(off)+uint(len(b)) > uint(p.memory.slotSize)-layout.FrameHeaderSize {
		panic("ring: frame larger than a slot")
	}
	if !fence.RaceEnabled {
		copyIn(payloadAt(p.slot(), off), b)
		return
	}
	start := off &^ 7
	buf := make([]byte, off-start+len(b))
	copyOut(buf[:off-start], payloadAt(p.slot(), start))
	copy(buf[off-start:], b)
	copyIn(payloadAt(p.slot(), start), buf)
}

// Slowest returns the subscriber with the lowest protected position, and that position; -1 and
// Next when no gate is closed.
func (p *Publisher) Slowest() (int, uint64) { return p.r.slowest(p.next) }
