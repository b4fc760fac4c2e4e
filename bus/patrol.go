package bus

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"shmbus/internal/fault"
	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/sysvsem"
)

// The kernel tells nobody that a segment was removed by its identifier (ipcrm -m): those who are attached keep their
// memory, and would wait in it for ever. So one of those who wait looks every patrolBeat, in turn: each has its own
// moments of the clock that all share, so that nobody has to hold an office, and a process that is stopped leaves out a
// turn, no more.
//
// A look takes some microseconds, and waking a Go process for it up to 200. Idle must cost nothing: where nobody has begun to wait for
// alertFor, the bus is looked at every restBeat only.
const (
	patrolBeat = 40 * time.Millisecond
	restBeat   = time.Second
	alertFor   = 5 * time.Second
	// patrolMost and restMost are the longest times between two turns of one client, however many there are: the others
	// may have left meanwhile.
	patrolMost = 2 * time.Second
	restMost   = time.Minute
)

// A patrol is what a handle does to learn that its bus is gone.
type patrol struct {
	started sync.Once
	waited  atomic.Bool   // something of the handle has begun to wait since the last look
	resting atomic.Bool   // nothing has for long
	nudge   chan struct{} // capacity 1: end the rest
}

// beginWait is called when something of the handle begins to wait: from then on until the handle is closed it looks whether the
// bus is still there.
func (m *member) beginWait() {
	p := &m.patrol
	if p.waited.Load() {
		return
	}
	p.waited.Store(true)
	p.started.Do(func() {
		p.nudge = make(chan struct{}, 1)
		m.begin(m.goOnPatrol)
	})
	if p.resting.Load() {
		select {
		case p.nudge <- struct{}{}:
		default:
		}
	}
}

func (m *member) goOnPatrol() {
	p := &m.patrol
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
	if m.parker != nil { // an observer's handle has none
		m.parker.UnparkAll()
	}
}

// untilTurn returns how long it is until this client is to look again. Those that are alert take turns with each other, and so do
// those that rest.
func (m *member) untilTurn(rests bool) time.Duration {
	s, me := m.seg, m.client.index
	beat, most, mark := patrolBeat, patrolMost, uint64(layout.ClientAlert)
	if rests {
		beat, most, mark = restBeat, restMost, layout.ClientRests
	}
	if s.ReadOnly() {
		return beat // nobody can tell it of others
	}
	flags := s.Client(me, layout.ClientFlags)
	atomic.StoreUint64(flags, atomic.LoadUint64(flags)&^(layout.ClientAlert|layout.ClientRests)|mark)
	fault.At(fault.PatrolListed)
	rank, n := 0, 0
	for c := range s.High(layout.HeaderClientHigh, s.Map.Geometry.Clients) {
		joined := layout.ClientState(atomic.LoadUint64(s.Client(c, layout.ClientStateWord))).State() == layout.ClientJoined
		if !joined || atomic.LoadUint64(s.Client(c, layout.ClientFlags))&mark == 0 {
			continue
		}
		if c < me {
			rank++
		}
		n++
	}
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return beat
	}
	return turnAfter(time.Duration(now.Nano()), rank, min(time.Duration(max(n, 1))*beat, most), beat)
}

// turnAfter returns the time from now to the next turn of number rank, where a round takes so long and turns are a beat apart.
func turnAfter(now time.Duration, rank int, round, beat time.Duration) time.Duration {
	first := time.Duration(rank) * beat % round
	return round - (now-first+round)%round
}

// giveUp marks a bus that is gone and wakes everybody for whom nothing will come any more. If its end was found here, it
// removes what is left of it, as far as this process may; otherwise somebody is at it, or died over it.
func giveUp(s *segment.Segment, found bool) {
	s.Lost.Store(true)
	if s.ReadOnly() {
		return
	}
	atomic.StoreUint64(s.Header(layout.HeaderState), layout.StateRemoved)
	fault.At(fault.PatrolMarked)
	// Who listens to the bell hears this even if the set has to stay.
	ringBell(s, []sysvsem.Op{{Num: layout.SemBell, Op: 1}})
	fault.At(fault.PatrolRung)
	if !found {
		return
	}
	s.Set.Remove()
	fault.At(fault.PatrolSet)
	s.Shm.Remove()
	fault.At(fault.PatrolSegment)
}
