package members

import (
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/segment"
	"shmbus/internal/sleep"
	"shmbus/layout"
)

// Evict makes publishers stop waiting for the reliable subscriptions of a process, whatever their
// policy, and returns how many subscriptions there were. pid is that of the process in its own pid
// namespace.
func (m *Member) Evict(pid int) (int, error) {
	seg := m.seg
	if seg.Removed() {
		return 0, segment.ErrRemoved
	}
	n := 0
	for s := range seg.High(layout.HeaderSubHigh, seg.Map.Geometry.Subscribers) {
		// The gate is read before the owner: if the gate is that of a later owner, then so is the
		// owner that is read. Whether the owner lives is asked last: if it lives, then the pid is
		// its own.
		gate := m.ring.Gate(s)
		owner := layout.Owner(atomic.LoadUint64(seg.Sub(s, layout.SubOwner)))
		c := owner.Client()
		if gate.State() != layout.GateClosed || owner == 0 || c < 0 || c >= seg.Map.Geometry.Clients {
			continue
		}
		if atomic.LoadUint64(seg.Client(c, layout.ClientPid)) != uint64(pid) || !seg.Alive(owner) {
			continue
		}
		if m.CutGate(s, gate, layout.GateEvicted) {
			n++
		}
	}
	if n > 0 {
		sleep.WakeBlocked(seg)
	}
	return n, nil
}

// CutGate opens the gate of a living subscription for the given reason, and wakes its owner. It
// reports whether this call opened the gate: a gate that was opened or closed again meanwhile stays
// as it is.
func (m *Member) CutGate(s int, gate layout.Gate, reason uint32) bool {
	if !m.ring.OpenGate(s, gate, reason) {
		return false
	}
	fault.At(fault.GateReleased)
	atomic.AddUint64(m.seg.Header(layout.HeaderEvictions), 1)
	sleep.WakeSubscriber(m.seg, s) // it may be asleep and must learn of this
	fault.At(fault.GateNotified)
	return true
}
