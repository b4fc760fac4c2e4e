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
// about to join does not count: the record belongs to the previous client until the new process has
// marked that client dead.
func (s *Segment) ClientLives(c int) bool {
	v, err := s.Set.GetVal(int(layout.SemLive(c)))
	// If the kernel cannot be asked, the client counts as alive.
	return err != nil || v == layout.LiveJoined
}

// HasJoined reports whether o is still the client of its record: it lives, or nobody has marked it
// dead yet.
func (s *Segment) HasJoined(o layout.Owner) bool {
	c := o.Client()
	return c >= 0 && c < s.Map.Geometry.Clients &&
		s.ClientState(c) == layout.MakeClientState(o.Generation(), layout.ClientJoined)
}

// Alive reports whether o names a living client. The zero Owner is not alive. The record is read
// again after the kernel was asked, because the living process may be the record's next client,
// which marked o dead in between.
func (s *Segment) Alive(o layout.Owner) bool {
	return s.HasJoined(o) && s.ClientLives(o.Client()) && s.HasJoined(o)
}

// Census returns a function like Alive that is cheaper for many owners. Census asks the kernel once
// which clients live; the function asks again only about clients that did not live then. A client
// that died after Census may still be reported alive.
func (s *Segment) Census() func(layout.Owner) bool {
	lives, err := s.Set.GetAll()
	if err != nil {
		return s.Alive
	}
	return s.AliveIn(lives)
}

// AliveIn is Census for a caller that already has the values of all semaphores.
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

// TakeFrom makes me the owner of a record, if its owner is still before. before is 0, for a free
// record, or a client that is known to be dead.
func (s *Segment) TakeFrom(owner *uint64, before, me layout.Owner) bool {
	if !atomic.CompareAndSwapUint64(owner, uint64(before), uint64(me)) {
		return false
	}
	if before != 0 {
		atomic.AddUint64(s.Header(layout.HeaderReclaimed), 1)
	}
	return true
}
