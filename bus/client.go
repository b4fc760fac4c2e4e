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
func (s *segment) join(cfg config) (client, error) {
	for tries := 1; ; tries++ {
		if c, ok, err := s.joinOneOf(s.vacancies(), tries < 3, cfg); ok || err != nil {
			return c, err
		}
	}
}

// ring does operations on semaphores that raise the bell. At its maximum, where nobody has listened for long, it is taken
// down first.
func (s *segment) ring(ops []sysvsem.Op) error {
	err := s.set.TryOp(ops)
	if errors.Is(err, sysvsem.ErrRange) {
		s.lowerBell() // or somebody else just has
		err = s.set.TryOp(ops)
	}
	return err
}

// joinOneOf takes one of the vacancies. It is not ok, and nothing is taken, if one that is careful finds that somebody
// has died in a record since it was free: whoever listens may not have seen that one yet, and there were others.
func (s *segment) joinOneOf(vacancies []vacancy, careful bool, cfg config) (_ client, ok bool, _ error) {
	for _, v := range vacancies {
		c := v.client
		err := s.ring([]sysvsem.Op{
			{Num: layout.SemLive(c), Op: 0, Flags: sysvsem.NoWait},
			{Num: layout.SemLive(c), Op: layout.LiveJoining, Flags: sysvsem.NoWait | sysvsem.Undo},
			{Num: layout.SemBell, Op: 1, Flags: sysvsem.NoWait},
			{Num: layout.SemBell, Op: -1, Flags: sysvsem.NoWait | sysvsem.Undo},
		})
		if errors.Is(err, sysvsem.ErrWouldBlock) {
			continue
		}
		if err != nil {
			return client{}, false, s.semError(err)
		}
		fault.At(fault.JoinLives)
		if careful && v.since == 0 && s.clientState(c).State() != layout.ClientFree && s.letGo(c, layout.LiveJoining, true) == nil {
			return client{}, false, nil
		}
		me, err := s.takeClient(c, cfg)
		return me, err == nil, err
	}
	return client{}, false, s.tableFull("clients")
}

// A vacancy is a client record that nobody had when somebody looked.
type vacancy struct {
	client int
	since  uint64 // how many had died before its last client; 0: that one did not die
}

// vacancies returns the client records that may be free, those of the dead last, and of these the latest last, so that
// everybody who listens gets to see them.
func (s *segment) vacancies() []vacancy {
	n := s.m.Geometry.Clients
	all := make([]vacancy, 0, n)
	lives, err := s.set.GetAll()
	for c := range n {
		v := vacancy{client: c}
		switch s.clientState(c).State() {
		case layout.ClientFree:
		case layout.ClientJoined:
			// Where the kernel cannot be asked nobody is dead. Who has joined since is found out by the kernel, in the end.
			if live := int(layout.SemLive(c)); err != nil || live >= len(lives) || lives[live] > 0 {
				continue
			}
			v.since = math.MaxUint64 // nobody has buried it yet
		default:
			v.since = 1 + min(atomic.LoadUint64(s.client(c, layout.ClientDied)), math.MaxUint64-2)
		}
		all = append(all, v)
	}
	slices.SortStableFunc(all, func(a, b vacancy) int { return cmp.Compare(a.since, b.since) })
	return all
}

// takeClient begins a new generation of client record c, whose liveness semaphore this process holds at LiveJoining. It says that it
// lives only after it has buried the client before: the record's old generation is never alive again.
func (s *segment) takeClient(c int, cfg config) (client, error) {
	state := s.client(c, layout.ClientStateWord)
	for lives := false; ; {
		old := layout.ClientState(atomic.LoadUint64(state))
		if old.State() == layout.ClientJoined {
			s.buryClient(c, old)
			continue
		}
		if !lives {
			alive := []sysvsem.Op{{Num: layout.SemLive(c), Op: layout.LiveJoined - layout.LiveJoining, Flags: sysvsem.NoWait | sysvsem.Undo}}
			if err := s.set.TryOp(alive); err != nil {
				return client{}, s.semError(err)
			}
			lives = true
			fault.At(fault.JoinAlone)
		}
		name := s.text(s.m.Clients.At(c)+layout.ClientName, layout.NameSize)
		setText(name, cfg.client)
		atomic.StoreUint64(s.client(c, layout.ClientPid), uint64(os.Getpid()))
		atomic.StoreUint64(s.client(c, layout.ClientSince), uint64(time.Now().UnixNano()))
		flags := uint64(0)
		if cfg.daemon {
			flags = layout.ClientDaemon
		}
		atomic.StoreUint64(s.client(c, layout.ClientFlags), flags)
		s.raiseHigh(layout.HeaderClientHigh, c)
		fault.At(fault.JoinFilled)
		next := layout.MakeClientState(old.Generation()+1, layout.ClientJoined)
		if atomic.CompareAndSwapUint64(state, uint64(old), uint64(next)) {
			fault.At(fault.JoinJoined)
			return client{index: c, generation: next.Generation()}, nil
		}
	}
}

// leave gives the client record back: the death bell does not ring for it. After an error the kernel gives it back when the process ends.
func (s *segment) leave(c client) error {
	state := layout.MakeClientState(c.generation, layout.ClientJoined)
	atomic.CompareAndSwapUint64(s.client(c.index, layout.ClientStateWord), uint64(state),
		uint64(layout.MakeClientState(c.generation, layout.ClientFree)))
	fault.At(fault.LeaveState)
	err := s.letGo(c.index, layout.LiveJoined, false)
	if err == nil || s.semError(err) == ErrRemoved {
		return nil
	}
	return fmt.Errorf("leave: %w", s.semError(err))
}

// letGo gives up the life of client record c, which is no death. It may ring the bell all the same: who has looked meanwhile has
// seen somebody alive there.
func (s *segment) letGo(c int, life int16, ring bool) error {
	ops := []sysvsem.Op{
		{Num: layout.SemLive(c), Op: -life, Flags: sysvsem.NoWait | sysvsem.Undo},
		{Num: layout.SemBell, Op: 1, Flags: sysvsem.NoWait | sysvsem.Undo},
		{Num: layout.SemBell, Op: -1, Flags: sysvsem.NoWait},
	}
	if ring {
		ops = ops[:2]
	}
	err := s.ring(ops)
	fault.At(fault.LeaveLife)
	return err
}

// buryClient notes that a client is dead, and reports whether this call was the one that did.
func (s *segment) buryClient(c int, old layout.ClientState) bool {
	won := atomic.CompareAndSwapUint64(s.client(c, layout.ClientStateWord), uint64(old),
		uint64(layout.MakeClientState(old.Generation(), layout.ClientDead)))
	if won {
		fault.At(fault.BuryMarked)
		atomic.StoreUint64(s.client(c, layout.ClientDied), atomic.AddUint64(s.header(layout.HeaderDeaths), 1))
	}
	return won
}
