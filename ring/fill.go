package ring

import (
	"shmbus/internal/fence"
	"shmbus/layout"
)

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
