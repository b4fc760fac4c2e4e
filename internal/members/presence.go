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

// The kernel tells nobody that a segment was removed by its identifier (ipcrm -m): clients that are
// attached keep their memory, and would wait in it for ever. So of the clients that wait, one looks
// each alertInterval, in turn: each has its own moments of the clock that all share. Nobody has to
// hold an office, and a process that is stopped misses its turn and no more.
//
// A look takes some microseconds, and to wake a Go process for it up to 200. Idle must cost
// nothing: a client in which nothing has begun to wait for alertFor looks each restInterval only.
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
	waited  atomic.Bool   // something of the member has begun to wait since the last look
	resting atomic.Bool   // nothing has for long
	nudge   chan struct{} // capacity 1: end the rest
}

// BeginWait is called when something of the member begins to wait: from then on until the member is
// stopped it looks whether the bus is still there.
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

// checkPresence is the task that looks, until the bus is gone or the member is stopped.
func (m *Member) checkPresence() {
	p := &m.presence
	var alert time.Time // when something began to wait
	for !m.seg.Removed() && m.present() {
		if p.waited.Swap(false) {
			alert = time.Now()
		}
		rests := time.Since(alert) > alertFor
		p.resting.Store(rests)
		if rests && p.waited.Load() {
			continue // it began meanwhile, and saw nobody resting
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

// untilTurn returns how long it is until this client is to look again. Clients that are alert take
// turns with each other, and so do those that rest.
func (m *Member) untilTurn(rests bool) time.Duration {
	seg, me := m.seg, m.Owner.Client()
	interval, most, mark := alertInterval, alertMost, uint64(layout.ClientAlert)
	if rests {
		interval, most, mark = restInterval, restMost, layout.ClientRests
	}
	if seg.ReadOnly() {
		return interval // nobody can tell it of others
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

// giveUp marks a bus that is gone, and wakes everybody for whom nothing will come any more. If its
// end was found here, giveUp removes what is left of it, as far as this process may; otherwise
// another process does so, or died over it.
func giveUp(seg *segment.Segment, found bool) {
	seg.Lost.Store(true)
	if seg.ReadOnly() {
		return
	}
	atomic.StoreUint64(seg.Header(layout.HeaderState), layout.StateRemoved)
	fault.At(fault.PatrolMarked)
	// Whoever listens to the bell hears this even if the set has to stay.
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
