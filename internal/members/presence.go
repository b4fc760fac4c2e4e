package members

import (
	"sync"
	"sync/atomic"
	"time"

	"shmbus/internal/fault"
	"shmbus/internal/linux"
	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/sysvsem"
)

// The kernel tells nobody that a segment was removed by its identifier (ipcrm -m): attached clients
// keep their memory, and would wait in it for ever. So of the clients that wait, one checks each
// alertInterval, in turn: each has its own moments of a clock that all share. There is no
// coordinator, and a process that is stopped misses its turn and no more.
//
// A check takes some microseconds, and waking a Go process for it up to 200. Since idle clients
// must cost nothing, a client in which nothing has begun to wait for alertFor checks only each
// restInterval.
const (
	alertInterval = 40 * time.Millisecond
	restInterval  = time.Second
	alertFor      = 5 * time.Second
	// alertMost and restMost are the longest times between two turns of one client, however many
	// clients there are: the others may have left meanwhile.
	alertMost = 2 * time.Second
	restMost  = time.Minute
)

// A presence is the state of a member's presence check.
type presence struct {
	started sync.Once
	waited  atomic.Bool   // a call of the member has begun to wait since the last check
	resting atomic.Bool   // no call has begun to wait for alertFor
	nudge   chan struct{} // capacity 1: end the rest
}

// BeginWait is called when a call of the member begins to wait. From the first time until the
// member is stopped, the member checks whether the bus is still there.
func (m *Member) BeginWait() {
	p := &m.presence
	if p.waited.Load() {
		return
	}
	p.waited.Store(true)
	p.started.Do(func() {
		p.nudge = make(chan struct{}, 1)
		m.begin(m.checkPresence)
	})
	if p.resting.Load() {
		select {
		case p.nudge <- struct{}{}:
		default:
		}
	}
}

// checkPresence is the task that checks, until the bus is gone or the member is stopped.
func (m *Member) checkPresence() {
	p := &m.presence
	var alert time.Time // when a call last began to wait
	for !m.seg.Removed() && m.present() {
		if p.waited.Swap(false) {
			alert = time.Now()
		}
		rests := time.Since(alert) > alertFor
		p.resting.Store(rests)
		if rests && p.waited.Load() {
			continue // the wait began meanwhile, and sent no nudge
		}
		turn := time.NewTimer(m.untilTurn(rests))
		select {
		case <-turn.C:
		case <-p.nudge:
		case <-m.ctx.Done():
			turn.Stop()
			return
		}
		turn.Stop()
	}
	giveUp(m.seg, !m.seg.Removed())
	if m.Parker != nil {
		m.Parker.UnparkAll()
	}
}

// untilTurn returns the time until the next check of this client. Clients that are alert take turns
// with each other, and so do clients that rest.
func (m *Member) untilTurn(rests bool) time.Duration {
	seg, me := m.seg, m.Owner.Client()
	interval, most, mark := alertInterval, alertMost, uint64(layout.ClientAlert)
	if rests {
		interval, most, mark = restInterval, restMost, layout.ClientRests
	}
	if seg.ReadOnly() {
		return interval // an observer has no record, and so no rank among the others
	}
	flags := seg.Client(me, layout.ClientFlags)
	others := atomic.LoadUint64(flags) &^ (layout.ClientAlert | layout.ClientRests)
	atomic.StoreUint64(flags, others|mark)
	fault.At(fault.PatrolListed)
	rank, n := 0, 0
	for c := range seg.High(layout.HeaderClientHigh, seg.Map.Geometry.Clients) {
		joined := seg.ClientState(c).State() == layout.ClientJoined
		if !joined || atomic.LoadUint64(seg.Client(c, layout.ClientFlags))&mark == 0 {
			continue
		}
		if c < me {
			rank++
		}
		n++
	}
	round := min(time.Duration(max(n, 1))*interval, most)
	return turnAfter(linux.Monotonic(), rank, round, interval)
}

// turnAfter returns the time from now to the next turn of number rank. A round takes the given
// time, and turns are an interval apart.
func turnAfter(now time.Duration, rank int, round, interval time.Duration) time.Duration {
	first := time.Duration(rank) * interval % round
	return round - (now-first+round)%round
}

// giveUp marks a bus as removed, and wakes all clients that wait. If this process found the end of
// the bus, giveUp removes what is left of it, as far as the process may. Otherwise another process
// does so, or has died while it did.
func giveUp(seg *segment.Segment, found bool) {
	seg.Lost.Store(true)
	if seg.ReadOnly() {
		return
	}
	atomic.StoreUint64(seg.Header(layout.HeaderState), layout.StateRemoved)
	fault.At(fault.PatrolMarked)
	// Listeners hear the bell even if the set cannot be removed.
	ringBell(seg, []sysvsem.Op{{Num: layout.SemBell, Op: 1}})
	fault.At(fault.PatrolRung)
	if !found {
		return
	}
	seg.Set.Remove()
	fault.At(fault.PatrolSet)
	seg.Shm.Remove()
	fault.At(fault.PatrolSegment)
}
