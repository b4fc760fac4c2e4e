package ring

import (
	"sync/atomic"

	"shmbus/layout"
	"shmbus/ring/fault"
	"shmbus/ring/fence"
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
	r      *Ring
	next   uint64 // the next position to try; next-1 was seen filled
	limit  uint64 // positions from here on need a Rescan first
	turn   uint   // index in owned of the slot to fill next
	count  uint   // of owned slots
	run    uint   // how many of them PublishRun fills at once
	owned  [maxOwned]owned
	intent *uint64
	index  int
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
	p := &Publisher{r: r, index: i, intent: r.pubWord(i, layout.PubIntent)}
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
	if off < 0 || uint(off)+uint(len(b)) > uint(p.r.slotSize)-layout.FrameHeaderSize {
		panic("ring: frame larger than a slot")
	}
	copyIn(payloadAt(p.slot(), off), b)
}

// FillWord stores a word at offset off of the payload, a multiple of 8.
func (p *Publisher) FillWord(off int, v uint64) {
	if off < 0 || uint(off)+8 > uint(p.r.slotSize)-layout.FrameHeaderSize {
		panic("ring: frame larger than a slot")
	}
	fence.Store(payloadWord(p.slot(), off), v)
}

func (p *Publisher) own() *owned { return &p.owned[p.turn%maxOwned] }

func (p *Publisher) slot() address { return p.r.slot(p.own().slot) }

// Exchange publishes the filled slot with the given frame header and topic tag. With Done
// it has position Next()-1. With Limit, nothing is published and the slot keeps what it was filled with:
// after a [Publisher.Rescan] that made room, call Exchange again.
func (p *Publisher) Exchange(info layout.FrameInfo, tag uint32) Status {
	return p.Publish(nil, info, tag)
}

// Publish is [Publisher.Fill] of a frame that fits the slot, and [Publisher.Exchange]. Without a frame the slot is filled already.
func (p *Publisher) Publish(frame []byte, info layout.FrameInfo, tag uint32) Status {
	r, own := p.r, p.own()
	slot := r.slot(own.slot)
	if frame != nil {
		if uint(len(frame)) > uint(r.slotSize)-layout.FrameHeaderSize {
			panic("ring: frame larger than a slot")
		}
		if areFew(len(frame)) {
			copyFew(slotPayload(slot), startOf(frame), len(frame))
		} else {
			copyIn(slotPayload(slot), frame)
		}
		fault.At(fault.PublishFilled)
	}
	fence.Store(slotInfo(slot), uint64(info))
	for {
		pos := p.next
		if pos >= p.limit {
			return own.giveUp(Limit)
		}
		e := r.entry(pos & r.mask)
		w := layout.Entry(atomic.LoadUint64(e))
		lap := layout.LapOf(pos, r.shift)
		if w.Lap() != lap-1 {
			if layout.LapsAhead(w.Lap(), lap) < -1 {
				return own.giveUp(Corrupt)
			}
			p.next = r.headFrom(pos)
			continue
		}
		if w.Slot() >= r.total {
			return own.giveUp(Corrupt)
		}
		fence.Store(slotPosition(slot), pos)
		fence.Store(p.intent, pos+1)
		fault.At(fault.PublishIntended)
		fence.Store(own.pair, uint64(layout.InFlight(own.slot, w.Slot())))
		fault.At(fault.PublishInFlight)
		p.next = pos + 1
		if atomic.CompareAndSwapUint64(e, uint64(w), uint64(layout.MakeEntry(lap, tag, own.slot))) {
			fault.At(fault.PublishExchanged)
			fence.Full()
			own.slot = w.Slot()
			fence.Store(own.pair, uint64(layout.Settled(own.slot)))
			fault.At(fault.PublishSettled)
			if p.turn++; p.turn >= p.count {
				p.turn = 0
			}
			if p.next%entriesOfLine == 0 {
				p.fetchAhead()
			}
			return Done
		}
		// Another publisher has this position now.
		fault.At(fault.PublishLostRace)
	}
}

// fetchAhead has the processor fetch the entries that follow next but one line: a compare-and-swap of an entry that a reader's
// processor has would wait for it.
func (p *Publisher) fetchAhead() {
	fence.PrefetchWrite(p.r.entry((p.next + entriesOfLine) & p.r.mask))
}

// runBytes bounds how much PublishRun copies before it publishes anything.
const runBytes = 64 << 10

// PublishRun publishes the first of frames, all with the same info but for their sizes, as many as there are slots to fill at
// once. It ends before a frame that has no byte or does not fit a slot. With another status than Done, frame n has filled a slot, but could
// not be exchanged.
//
// All slots are filled before the first is exchanged: a locked instruction waits for the stores before it.
func (p *Publisher) PublishRun(frames [][]byte, info layout.FrameInfo, tag uint32) (n int, st Status) {
	room := uint(p.r.slotSize) - layout.FrameHeaderSize
	k, turn := 0, p.turn
	for ; k < len(frames) && uint(k) < p.run && uint(len(frames[k]))-1 < room; k++ {
		to := slotPayload(p.r.slot(p.owned[turn%maxOwned].slot))
		if areFew(len(frames[k])) {
			copyFew(to, startOf(frames[k]), len(frames[k]))
		} else {
			copyIn(to, frames[k])
		}
		if turn++; turn >= p.count {
			turn = 0
		}
	}
	fault.At(fault.PublishFilled)
	for n < k {
		if st := p.Exchange(info|layout.FrameInfo(len(frames[n])), tag); st != Done {
			return n, st
		}
		n++
	}
	return n, Done
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
	if off < 0 || uint(off)+uint(len(b)) > uint(p.r.slotSize)-layout.FrameHeaderSize {
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
