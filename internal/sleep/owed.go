package sleep

import (
	"sync/atomic"

	"shmbus/layout"
)

// mayBeOwed reports whether a dead client may have owed the waiter a wake-up that no other process
// has made. It may be true for a waiter to which nothing is owed, but it is exact enough that a
// death on a bus with a thousand sleepers does not wake a thousand threads.
func (p *Parker) mayBeOwed(w *waiter) bool {
	if w.record < 0 || w.woken() {
		return true // a publisher that waits for room looks every few milliseconds in any case
	}
	seg, s, load := p.seg, w.record, atomic.LoadUint64
	word := layout.Wake(load(w.word))
	gate := layout.Gate(load(seg.Sub(s, layout.SubGate)))
	if word.IsNotYet() || gate.State() == layout.GateEvicted {
		return true
	}
	// A dead publisher's record keeps topic and intent until its reclaimer has woken the sleepers.
	// A living publisher soon wakes the sleepers that want its message.
	at, bit := word.Position(load(seg.Sub(s, layout.SubCursor))), uint64(1)<<(s%64)
	for p := range seg.High(layout.HeaderPubHigh, seg.Map.Geometry.Publishers) {
		if load(seg.Pub(p, layout.PubIntent)) <= at {
			continue
		}
		t := load(seg.Pub(p, layout.PubTopic))
		if t == 0 || t > uint64(seg.Map.Geometry.Topics) {
			continue
		}
		if load(&seg.Interest(int(t - 1))[s/64])&bit != 0 {
			return true
		}
	}
	return false
}
