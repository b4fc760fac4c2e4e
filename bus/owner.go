package bus

import (
	"sync/atomic"

	"shmbus/layout"
)

func (s *segment) clientState(c int) layout.ClientState {
	return layout.ClientState(atomic.LoadUint64(s.client(c, layout.ClientStateWord)))
}

// clientLives asks the kernel whether a process has joined as client c. One that is about to does not count: the record is that of
// the client before until it has buried it.
func (s *segment) clientLives(c int) bool {
	v, err := s.set.GetVal(int(layout.SemLive(c)))
	// Where the kernel cannot be asked nobody is declared dead.
	return err != nil || v == layout.LiveJoined
}

// hasJoined reports whether o is the client that its record names: it lives, or nobody has buried it yet.
func (s *segment) hasJoined(o layout.Owner) bool {
	c := o.Client()
	return c >= 0 && c < s.m.Geometry.Clients && s.clientState(c) == layout.MakeClientState(o.Generation(), layout.ClientJoined)
}

// alive reports whether o names a living client. The zero Owner is not alive. The record is read again after the kernel was
// asked: who lives may be the next client, that has buried this one meanwhile.
func (s *segment) alive(o layout.Owner) bool {
	return s.hasJoined(o) && s.clientLives(o.Client()) && s.hasJoined(o)
}

// census asks the kernel once who lives. What it returns is alive for many owners: it asks again only about those who were not alive
// then.
func (s *segment) census() func(layout.Owner) bool {
	lives, err := s.set.GetAll()
	if err != nil {
		return s.alive
	}
	return s.aliveIn(lives)
}

func (s *segment) aliveIn(lives []uint16) func(layout.Owner) bool {
	return func(o layout.Owner) bool {
		return livesIn(lives, o.Client()) && s.hasJoined(o) || s.alive(o)
	}
}

// livesIn reports whether client c lived when the values of all semaphores were lives.
func livesIn(lives []uint16, c int) bool {
	n := int(layout.SemLive(c))
	return n < len(lives) && lives[n] == layout.LiveJoined
}

// takeFrom makes a record this client's whose owner before is nobody, or known to be dead.
func (s *segment) takeFrom(owner *uint64, before, me layout.Owner) bool {
	if !atomic.CompareAndSwapUint64(owner, uint64(before), uint64(me)) {
		return false
	}
	if before != 0 {
		atomic.AddUint64(s.header(layout.HeaderReclaimed), 1)
	}
	return true
}
