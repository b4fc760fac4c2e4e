package bus

import (
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/sleep"
	"shmbus/layout"
)

// Evict makes publishers stop waiting for the reliable subscriptions of a process, whatever their policy, and returns how
// many there were. Each ends with an [EvictedError], as after [EvictAfter]; the process stays a client and may subscribe again. The
// pid is that of [ClientStatus]: the process's own, in its pid namespace. Evict may be called by any goroutine.
func (b *Bus) Evict(pid int) (int, error) {
	const op = "evict subscribers of"
	if err := b.adopt(); err != nil {
		return 0, b.fail(op, err)
	}
	defer b.unref()
	n, err := b.evict(pid)
	return n, b.fail(op, err)
}

func (m *member) evict(pid int) (int, error) {
	seg := m.seg
	if seg.Removed() {
		return 0, ErrRemoved
	}
	n := 0
	for s := range seg.High(layout.HeaderSubHigh, seg.Map.Geometry.Subscribers) {
		// The gate is read before the owner: if it is the gate of a later owner, then so is the owner that is read. Whether the
		// owner lives is asked last: if it does, then the pid is its own.
		gate := m.ring.Gate(s)
		owner := layout.Owner(atomic.LoadUint64(seg.Sub(s, layout.SubOwner)))
		c := owner.Client()
		if gate.State() != layout.GateClosed || owner == 0 || c < 0 || c >= seg.Map.Geometry.Clients {
			continue
		}
		if atomic.LoadUint64(seg.Client(c, layout.ClientPid)) == uint64(pid) && seg.Alive(owner) && m.cutGate(s, gate, layout.GateEvicted) {
			n++
		}
	}
	if n > 0 {
		sleep.WakeBlocked(seg)
	}
	return n, nil
}

// cutGate opens the gate of a living subscription, giving the reason, and tells its owner. It reports whether it was this
// call that did: a gate that was opened or closed again meanwhile stays as it is.
func (m *member) cutGate(s int, gate layout.Gate, reason uint32) bool {
	if !m.ring.OpenGate(s, gate, reason) {
		return false
	}
	fault.At(fault.GateReleased)
	atomic.AddUint64(m.seg.Header(layout.HeaderEvictions), 1)
	sleep.WakeSubscriber(m.seg, s) // it may be asleep and should learn it
	fault.At(fault.GateNotified)
	return true
}
