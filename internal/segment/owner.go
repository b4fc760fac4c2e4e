package segment

import (
	"sync/atomic"

	"shmbus/layout"
)

// ClientState returns the state word of client record c.
func (s *Segment) ClientState(c int) layout.ClientState {
	return layout.ClientState(atomic.LoadUint64(s.Client(c, layout.ClientStateWord)))
}

// ClientLives asks the kernel whether a living process has joined as client c. A process that is
// about to join does not count: until it has noted the death of the client before it, the record is
// still that client's.
func (s *Segment) ClientLives(c int) bool {
	v, err := s.Set.GetVal(int(layout.SemLive(c)))
	// Where the kernel cannot be asked nobody is declared dead.
	return err != nil || v == layout.LiveJoined
}

// HasJoined reports whether o is the client that its record names: it lives, or nobody has noted
// its death yet.
func (s *Segment) HasJoined(o layout.Owner) bool {
	c := o.Client()
	return c >= 0 && c < s.Map.Geometry.Clients &&
		s.ClientState(c) == layout.MakeClientState(o.Generation(), layout.ClientJoined)
}

// Alive reports whether o names a living client. The zero Owner is not alive. The record is read
// again after the kernel was asked: the process that lives may be the next client, which has noted
// the death of o meanwhile.
func (s *Segment) Alive(o layout.Owner) bool {
	return s.HasJoined(o) && s.ClientLives(o.Client()) && s.HasJoined(o)
}

// Census asks the kernel once who lives, and returns Alive for many owners: the kernel is asked
// again only about those who were not alive then.
func (s *Segment) Census() func(layout.Owner) bool {
	lives, err := s.Set.GetAll()
	if err != nil {
		return s.Alive
	}
	return s.AliveIn(lives)
}

// AliveIn is Census for who has the values of all semaphores already.
func (s *Segment) AliveIn(lives []uint16) func(layout.Owner) bool {
	return func(o layout.Owner) bool {
		return LivesIn(lives, o.Client()) && s.HasJoined(o) || s.Alive(o)
	}
}

// LivesIn reports whether client c lived when the values of all semaphores were lives.
func LivesIn(lives []uint16, c int) bool {
	n := int(layout.SemLive(c))
	return n < len(lives) && lives[n] == layout.LiveJoined
}

// TakeFrom makes a record that of owner me, if before still owns it, which is nobody (0) or known
// to be dead.
func (s *Segment) TakeFrom(owner *uint64, before, me layout.Owner) bool {
	if !atomic.CompareAndSwapUint64(owner, uint64(before), uint64(me)) {
		return false
	}
	if before != 0 {
		atomic.AddUint64(s.Header(layout.HeaderReclaimed), 1)
	}
	return true
}
