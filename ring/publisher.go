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
	turn   int    // index in slots of the slot to fill next
	pairs  []*uint64
	slots  []uint32 // slot of each pair in pairs
	intent *uint64
	index  int
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
		p.pairs = append(p.pairs, w)
		p.slots = append(p.slots, pair.Mine())
	}
	if len(p.pairs) == 0 {
		return nil, ErrUnsettled
	}
	p.next = r.Head()
	p.limit = p.next // the first publish looks at the gates
	return p, nil
}

// Index returns the number of the publisher's record.
func (p *Publisher) Index() int { return p.index }

// Next returns a position of which it is known that all before it are published. The
// next message gets this position or a later one.
func (p *Publisher) Next() uint64 { return p.next }

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

func (p *Publisher) slot() address { return p.r.slot(p.slots[p.turn]) }

// Exchange publishes the filled slot with the given frame header and topic tag. With Done
// it has position Next()-1. With Limit, nothing is published and the slot keeps what it was filled with:
// after a [Publisher.Rescan] that made room, call Exchange again.
func (p *Publisher) Exchange(info layout.FrameInfo, tag uint32) Status {
	r, turn := p.r, p.turn
	mine, pair := p.slots[turn], p.pairs[turn]
	slot := r.slot(mine)
	fence.Store(slotInfo(slot), uint64(info))
	for {
		pos := p.next
		if pos >= p.limit {
			fence.Store(pair, uint64(layout.Settled(mine)))
			return Limit
		}
		e := r.entry(pos & r.mask)
		w := layout.Entry(atomic.LoadUint64(e))
		lap := layout.LapOf(pos, r.shift)
		if ahead := layout.LapsAhead(w.Lap(), lap); ahead != -1 {
			if ahead < -1 {
				fence.Store(pair, uint64(layout.Settled(mine)))
				return Corrupt
			}
			p.next = r.headFrom(pos)
			continue
		}
		old := w.Slot()
		if old >= r.total {
			fence.Store(pair, uint64(layout.Settled(mine)))
			return Corrupt
		}
		fence.Store(slotPosition(slot), pos)
		fence.Store(p.intent, pos+1)
		fault.At(fault.PublishIntended)
		fence.Store(pair, uint64(layout.InFlight(mine, old)))
		fault.At(fault.PublishInFlight)
		if atomic.CompareAndSwapUint64(e, uint64(w), uint64(layout.MakeEntry(lap, tag, mine))) {
			fault.At(fault.PublishExchanged)
			fence.Full()
			fence.Store(pair, uint64(layout.Settled(old)))
			fault.At(fault.PublishSettled)
			p.slots[turn] = old
			p.next = pos + 1
			if turn++; turn == len(p.slots) {
				turn = 0
			}
			p.turn = turn
			return Done
		}
		// Another publisher has this position now.
		fault.At(fault.PublishLostRace)
		p.next = pos + 1
	}
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
	p.next = r.headFrom(p.next)
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
