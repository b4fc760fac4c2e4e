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

func (s *segment) clientState(c int) layout.ClientState {
	return layout.ClientState(atomic.LoadUint64(s.client(c, layout.ClientStateWord)))
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

// semError turns an error of the semaphore set into one of the bus.
func (s *segment) semError(err error) error {
	if errors.Is(err, sysvsem.ErrRemoved) {
		if s.readOnly() {
			return ErrRemoved
		}
		atomic.StoreUint64(s.header(layout.HeaderState), layout.StateRemoved)
		return ErrRemoved
	}
	return fmt.Errorf("semaphore set: %w", err)
}

// setText fills a text field, cut to its size and padded with zeros. Its last byte stays zero.
func setText(dst []byte, s string) {
	n := copy(dst[:len(dst)-1], s)
	clear(dst[n:])
}
