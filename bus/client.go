package bus

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"shmbus/internal/fault"
	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/sysvsem"
)

// A client is this handle's record in the segment. Its liveness semaphore is held with undo, so that the kernel
// releases it however the process ends.
type client struct {
	index      int
	generation uint32
}

func (c client) owner(state uint16) layout.Owner {
	return layout.MakeOwner(c.index, c.generation, state)
}

// join takes a client record. The kernel decides between two that want the same one.
func join(s *segment.Segment, cfg config) (client, error) {
	for tries := 1; ; tries++ {
		if c, ok, err := joinOneOf(s, vacanciesOf(s), tries < 3, cfg); ok || err != nil {
			return c, err
		}
	}
}

// ring does operations on semaphores that raise the bell. At its maximum, where nobody has listened for long, it is taken
// down first.
func ringBell(s *segment.Segment, ops []sysvsem.Op) error {
	err := s.Set.TryOp(ops)
	if errors.Is(err, sysvsem.ErrRange) {
		lowerBell(s) // or somebody else just has
		err = s.Set.TryOp(ops)
	}
	return err
}

// joinOneOf takes one of the vacancies. It is not ok, and nothing is taken, if one that is careful finds that somebody
// has died in a record since it was free: whoever listens may not have seen that one yet, and there were others.
func joinOneOf(s *segment.Segment, vacancies []vacancy, careful bool, cfg config) (_ client, ok bool, _ error) {
	for _, v := range vacancies {
		c := v.client
		err := ringBell(s, []sysvsem.Op{
			{Num: layout.SemLive(c), Op: 0, Flags: sysvsem.NoWait},
			{Num: layout.SemLive(c), Op: layout.LiveJoining, Flags: sysvsem.NoWait | sysvsem.Undo},
			{Num: layout.SemBell, Op: 1, Flags: sysvsem.NoWait},
			{Num: layout.SemBell, Op: -1, Flags: sysvsem.NoWait | sysvsem.Undo},
		})
		if errors.Is(err, sysvsem.ErrWouldBlock) {
			continue
		}
		if err != nil {
			return client{}, false, s.SemError(err)
		}
		fault.At(fault.JoinLives)
		if careful && v.since == 0 && s.ClientState(c).State() != layout.ClientFree && letGo(s, c, layout.LiveJoining, true) == nil {
			return client{}, false, nil
		}
		me, err := takeClient(s, c, cfg)
		return me, err == nil, err
	}
	return client{}, false, &segment.FullError{Table: "clients"}
}

// A vacancy is a client record that nobody had when somebody looked.
type vacancy struct {
	client int
	since  uint64 // how many had died before its last client; 0: that one did not die
}

// vacancies returns the client records that may be free, those of the dead last, and of these the latest last, so that
// everybody who listens gets to see them.
func vacanciesOf(s *segment.Segment) []vacancy {
	n := s.Map.Geometry.Clients
	all := make([]vacancy, 0, n)
	lives, err := s.Set.GetAll()
	for c := range n {
		v := vacancy{client: c}
		switch s.ClientState(c).State() {
		case layout.ClientFree:
		case layout.ClientJoined:
			// Where the kernel cannot be asked nobody is dead. Who has joined since is found out by the kernel, in the end.
			if live := int(layout.SemLive(c)); err != nil || live >= len(lives) || lives[live] > 0 {
				continue
			}
			v.since = math.MaxUint64 // nobody has buried it yet
		default:
			v.since = 1 + min(atomic.LoadUint64(s.Client(c, layout.ClientDied)), math.MaxUint64-2)
		}
		all = append(all, v)
	}
	slices.SortStableFunc(all, func(a, b vacancy) int { return cmp.Compare(a.since, b.since) })
	return all
}

// takeClient begins a new generation of client record c, whose liveness semaphore this process holds at LiveJoining. It says that it
// lives only after it has buried the client before: the record's old generation is never alive again.
func takeClient(s *segment.Segment, c int, cfg config) (client, error) {
	state := s.Client(c, layout.ClientStateWord)
	for lives := false; ; {
		old := layout.ClientState(atomic.LoadUint64(state))
		if old.State() == layout.ClientJoined {
			buryClient(s, c, old)
			continue
		}
		if !lives {
			alive := []sysvsem.Op{{Num: layout.SemLive(c), Op: layout.LiveJoined - layout.LiveJoining, Flags: sysvsem.NoWait | sysvsem.Undo}}
			if err := s.Set.TryOp(alive); err != nil {
				return client{}, s.SemError(err)
			}
			lives = true
			fault.At(fault.JoinAlone)
		}
		name := s.Text(s.Map.Clients.At(c)+layout.ClientName, layout.NameSize)
		segment.SetText(name, cfg.client)
		atomic.StoreUint64(s.Client(c, layout.ClientPid), uint64(os.Getpid()))
		atomic.StoreUint64(s.Client(c, layout.ClientSince), uint64(time.Now().UnixNano()))
		flags := uint64(0)
		if cfg.daemon {
			flags = layout.ClientDaemon
		}
		atomic.StoreUint64(s.Client(c, layout.ClientFlags), flags)
		s.RaiseHigh(layout.HeaderClientHigh, c)
		fault.At(fault.JoinFilled)
		next := layout.MakeClientState(old.Generation()+1, layout.ClientJoined)
		if atomic.CompareAndSwapUint64(state, uint64(old), uint64(next)) {
			fault.At(fault.JoinJoined)
			return client{index: c, generation: next.Generation()}, nil
		}
	}
}

// leave gives the client record back: the death bell does not ring for it. After an error the kernel gives it back when the process ends.
func leave(s *segment.Segment, c client) error {
	state := layout.MakeClientState(c.generation, layout.ClientJoined)
	atomic.CompareAndSwapUint64(s.Client(c.index, layout.ClientStateWord), uint64(state),
		uint64(layout.MakeClientState(c.generation, layout.ClientFree)))
	fault.At(fault.LeaveState)
	err := letGo(s, c.index, layout.LiveJoined, false)
	if err == nil || s.SemError(err) == ErrRemoved {
		return nil
	}
	return fmt.Errorf("leave: %w", s.SemError(err))
}

// letGo gives up the life of client record c, which is no death. It may ring the bell all the same: who has looked meanwhile has
// seen somebody alive there.
func letGo(s *segment.Segment, c int, life int16, ring bool) error {
	ops := []sysvsem.Op{
		{Num: layout.SemLive(c), Op: -life, Flags: sysvsem.NoWait | sysvsem.Undo},
		{Num: layout.SemBell, Op: 1, Flags: sysvsem.NoWait | sysvsem.Undo},
		{Num: layout.SemBell, Op: -1, Flags: sysvsem.NoWait},
	}
	if ring {
		ops = ops[:2]
	}
	err := ringBell(s, ops)
	fault.At(fault.LeaveLife)
	return err
}

// buryClient notes that a client is dead, and reports whether this call was the one that did.
func buryClient(s *segment.Segment, c int, old layout.ClientState) bool {
	won := atomic.CompareAndSwapUint64(s.Client(c, layout.ClientStateWord), uint64(old),
		uint64(layout.MakeClientState(old.Generation(), layout.ClientDead)))
	if won {
		fault.At(fault.BuryMarked)
		atomic.StoreUint64(s.Client(c, layout.ClientDied), atomic.AddUint64(s.Header(layout.HeaderDeaths), 1))
	}
	return won
}
