package bus

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"shmbus/layout"
	"shmbus/ring/fault"
	"shmbus/sysvsem"
)

// The kernel tells nobody that a segment was removed by its identifier (ipcrm -m, systemd's RemoveIPC): those who are
// attached keep their memory, and wait in it for ever. So one of those who wait looks every patrolBeat, in turn: each
// has its own moments of the clock that all share, so that nobody has to hold an office and a stopped process leaves out
// a turn, no more. The whole bus pays for these looks together, some microseconds in a patrolBeat.
const (
	patrolBeat = 40 * time.Millisecond
	// patrolMost is the longest time between two turns of one client, however many there are: the others may have
	// left meanwhile.
	patrolMost = 2 * time.Second
)

// patrol looks whether the bus is still there, from the first time that something of this handle waits until it is closed.
func (b *Bus) patrol() {
	b.patrolling.Do(func() {
		if !b.seg.readOnly() {
			flags := b.seg.client(b.client.index, layout.ClientFlags)
			atomic.StoreUint64(flags, atomic.LoadUint64(flags)|layout.ClientPatrols)
			fault.At(fault.PatrolListed)
		}
		b.watchers.Go(func() {
			var key keyStamp
			for !b.seg.removed() && b.seg.stillThere(&key) {
				turn := time.NewTimer(b.seg.untilTurn(b.client.index))
				select {
				case <-turn.C:
				case <-b.ctx.Done():
					turn.Stop()
					return
				}
			}
			b.seg.giveUp(!b.seg.removed())
			if b.dorm != nil { // an observer's handle has none
				b.dorm.kickAll()
			}
		})
	})
}

// untilTurn returns how long it is until client me is to look again.
func (s *segment) untilTurn(me int) time.Duration {
	if s.readOnly() {
		return patrolBeat // nobody can tell it
	}
	rank, n := 0, 0
	for c := range s.high(layout.HeaderClientHigh, s.m.Geometry.Clients) {
		joined := layout.ClientState(atomic.LoadUint64(s.client(c, layout.ClientStateWord))).State() == layout.ClientJoined
		if !joined || atomic.LoadUint64(s.client(c, layout.ClientFlags))&layout.ClientPatrols == 0 {
			continue
		}
		if c < me {
			rank++
		}
		n++
	}
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return patrolBeat
	}
	return turnAfter(time.Duration(now.Nano()), rank, max(n, 1))
}

// turnAfter returns the time from now to the next turn of number rank of n.
func turnAfter(now time.Duration, rank, n int) time.Duration {
	round := min(time.Duration(n)*patrolBeat, patrolMost)
	first := time.Duration(rank) * patrolBeat % round
	return round - (now-first+round)%round
}

// A keyStamp is what the key file looked like when its contents were read last.
type keyStamp struct {
	inode uint64
	mtime time.Time
}

// stillThere reports whether the bus is the one that its key file names, and is not about to go. A key file that is
// missing says nothing: those who know the bus can go on.
func (s *segment) stillThere(last *keyStamp) bool {
	if st, err := s.shm.Stat(); err == nil && st.Destroy {
		return false
	}
	if _, err := s.set.Stat(); errors.Is(err, sysvsem.ErrRemoved) {
		return false
	}
	if s.path == "" {
		return true
	}
	st, err := os.Lstat(s.path)
	if err != nil {
		return true
	}
	stamp := keyStamp{inode: st.Sys().(*syscall.Stat_t).Ino, mtime: st.ModTime()}
	if stamp == *last {
		return true
	}
	k, err := readKeyFile(s.path)
	if err != nil || k.State != keyReady {
		return true // being written, or nobody's
	}
	*last = stamp
	return k.UUID == s.head.UUID.String()
}

// giveUp marks a bus that is gone and wakes everybody for whom nothing will come any more. If its end was found here, it
// removes what is left of it, as far as this process may; otherwise somebody is at it, or died over it.
func (s *segment) giveUp(found bool) {
	s.lost.Store(true)
	if s.readOnly() {
		return
	}
	atomic.StoreUint64(s.header(layout.HeaderState), layout.StateRemoved)
	fault.At(fault.PatrolMarked)
	// Who listens to the bell hears this even if the set has to stay.
	s.set.TryOp([]sysvsem.Op{{Num: layout.SemBell, Op: 1}})
	fault.At(fault.PatrolRung)
	if !found {
		return
	}
	s.set.Remove()
	fault.At(fault.PatrolSet)
	s.shm.Remove()
	fault.At(fault.PatrolSegment)
}
