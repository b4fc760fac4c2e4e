package members

import (
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/sleep"
	"shmbus/layout"
)

// Reap marks dead clients, reclaims the records of all dead clients, and returns the number of
// clients that this call was the first to mark. Watchers of deaths do the same. A record that
// nobody has reclaimed is taken over by the next client that needs one.
func (m *Member) Reap() (int, error) {
	lives, err := m.seg.Set.GetAll()
	if err != nil {
		return 0, m.seg.SemError(err)
	}
	n := m.markTheDead(lives)
	m.reclaim(m.seg.AliveIn(lives))
	return n, nil
}

// reclaim frees the records of owners that are dead. It takes each record first, so that no other
// client uses or reclaims it meanwhile. If this client dies before a record is free, the record is
// found again as one of this client's.
func (m *Member) reclaim(alive func(layout.Owner) bool) {
	seg, me := m.seg, m.Owner
	for s := range seg.High(layout.HeaderSubHigh, seg.Map.Geometry.Subscribers) {
		w := seg.Sub(s, layout.SubOwner)
		if before, vacant := m.vacate(s, alive); vacant && before != 0 && seg.TakeFrom(w, before, me) {
			fault.At(fault.ClearSubscriber)
			m.resetSubscriber(s)
			fault.At(fault.ClearSubscriberWiped)
			atomic.StoreUint64(w, 0)
			fault.At(fault.ClearSubscriberFreed)
		}
	}
	for p := range seg.High(layout.HeaderPubHigh, seg.Map.Geometry.Publishers) {
		w := seg.Pub(p, layout.PubOwner)
		owner := layout.Owner(atomic.LoadUint64(w))
		if owner != 0 && owner != me && !alive(owner) && seg.TakeFrom(w, owner, me) {
			fault.At(fault.ClearPublisher)
			m.resetPublisher(p, true)
			fault.At(fault.ClearPublisherWiped)
			atomic.StoreUint64(w, 0)
			fault.At(fault.ClearPublisherFreed)
		}
	}
}

// vacate reports whether subscriber record s may be taken, because it is free or its owner is dead,
// and returns that owner. It opens the gate of a dead owner: opening a gate takes no ownership, and
// publishers wait while the gate is closed. The gate is opened before the record is taken, since
// the client that takes the record may be stopped at once and would still count as alive.
func (m *Member) vacate(
	s int, alive func(layout.Owner) bool,
) (before layout.Owner, ok bool) {
	seg := m.seg
	owner := func() layout.Owner {
		return layout.Owner(atomic.LoadUint64(seg.Sub(s, layout.SubOwner)))
	}
	before = owner()
	if before == 0 {
		return before, true
	}
	if before == m.Owner || alive(before) {
		return before, false
	}
	// The gate is read after its owner is known to be dead: before that, the owner may have been
	// about to close it. The owner is read again after the gate: if the owner is the same, the gate
	// is not that of a later owner.
	gate := m.ring.Gate(s)
	if owner() != before {
		return before, false
	}
	opened := m.ring.OpenGate(s, gate, layout.GateOpen)
	fault.At(fault.ClearGate)
	if opened {
		sleep.WakeBlocked(seg)
	}
	return before, true
}
