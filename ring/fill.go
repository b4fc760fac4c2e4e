package ring

import (
	"shmbus/internal/fence"
	"shmbus/layout"
)

// Payload returns the payload of the slot that the next [Publisher.Exchange] publishes, to be
// filled in place. In race-detector builds it is a copy, which [Publisher.CommitPayload] writes
// back.
func (p *Publisher) Payload() []byte {
	n := p.r.layout.Geometry.SlotPayload()
	if fence.RaceEnabled {
		return make([]byte, n)
	}
	return bytesAt(slotPayload(p.slot()), n)
}

// CommitPayload ends the filling of b, a prefix of what [Publisher.Payload] returned.
func (p *Publisher) CommitPayload(b []byte) {
	if fence.RaceEnabled {
		copyIn(slotPayload(p.slot()), b)
	}
}

// Fill copies b to offset off of the payload of the slot that is published next. It panics if b
// does not fit there.
func (p *Publisher) Fill(off int, b []byte) {
	if off < 0 || uint(off)+uint(len(b)) > uint(p.memory.slotSize)-layout.FrameHeaderSize {
		panic("ring: frame larger than a slot")
	}
	copyIn(payloadAt(p.slot(), off), b)
}

// FillWord stores v at offset off of the payload; off is a multiple of 8. It panics if the word
// does not fit there.
func (p *Publisher) FillWord(off int, v uint64) {
	if off < 0 || uint(off)+8 > uint(p.memory.slotSize)-layout.FrameHeaderSize {
		panic("ring: frame larger than a slot")
	}
	fence.Store(payloadWord(p.slot(), off), v)
}

func (p *Publisher) own() *ownedSlot { return &p.owned[p.turn%maxOwned] }

func (p *Publisher) slot() address { return p.memory.slot(p.own().number) }
