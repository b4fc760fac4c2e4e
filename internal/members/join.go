package members

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

// A Profile describes a client in its record, for status displays.
type Profile struct {
	Name   string
	Daemon bool
}

// Join takes a client record for this process. If two processes want the same record the kernel
// decides. The error is a [*segment.FullError] if no record is free, and [segment.ErrRemoved] if
// the bus is gone.
func Join(seg *segment.Segment, p Profile) (layout.Owner, error) {
	for tries := 1; ; tries++ {
		if me, ok, err := joinOneOf(seg, vacanciesOf(seg), tries < 3, p); ok || err != nil {
			return me, err
		}
	}
}

// joinOneOf takes one of the vacancies. ok is false, and nothing is taken, if careful is set and a
// client died in the chosen record after the vacancies were looked up. Watchers may not have
// reported that death yet, so the caller looks for other vacancies.
func joinOneOf(
	seg *segment.Segment, vacancies []vacancy, careful bool, p Profile,
) (me layout.Owner, ok bool, _ error) {
	for _, v := range vacancies {
		c := v.client
		err := ringBell(seg, []sysvsem.Op{
			{Num: layout.SemLive(c), Op: 0, Flags: sysvsem.NoWait},
			{Num: layout.SemLive(c), Op: layout.LiveJoining, Flags: sysvsem.NoWait | sysvsem.Undo},
			{Num: layout.SemBell, Op: 1, Flags: sysvsem.NoWait},
			{Num: layout.SemBell, Op: -1, Flags: sysvsem.NoWait | sysvsem.Undo},
		})
		if errors.Is(err, sysvsem.ErrWouldBlock) {
			continue
		}
		if err != nil {
			return 0, false, seg.SemError(err)
		}
		fault.At(fault.JoinLives)
		used := v.since == 0 && seg.ClientState(c).State() != layout.ClientFree
		if careful && used && letGo(seg, c, layout.LiveJoining, true) == nil {
			return 0, false, nil
		}
		me, err := takeClient(seg, c, p)
		return me, err == nil, err
	}
	return 0, false, &segment.FullError{Table: "clients"}
}

// A vacancy is a client record that nobody had when somebody looked.
type vacancy struct {
	client int
	// since is larger the later the record's last client died; 0 if that client did not die.
	since uint64
}

// vacanciesOf returns the client records that may be free. Records whose last client died come
// last, in the order of the deaths, so that each watcher sees each death before the record is used
// again.
func vacanciesOf(seg *segment.Segment) []vacancy {
	n := seg.Map.Geometry.Clients
	all := make([]vacancy, 0, n)
	lives, err := seg.Set.GetAll()
	for c := range n {
		v := vacancy{client: c}
		switch seg.ClientState(c).State() {
		case layout.ClientFree:
		case layout.ClientJoined:
			// If the kernel cannot be asked, nobody counts as dead. A client may have joined since;
			// then the semaphore operation of joinOneOf fails for this record.
			live := int(layout.SemLive(c))
			if err != nil || live >= len(lives) || lives[live] > 0 {
				continue
			}
			v.since = math.MaxUint64 // not marked dead yet
		default:
			died := atomic.LoadUint64(seg.Client(c, layout.ClientDied))
			v.since = 1 + min(died, math.MaxUint64-2)
		}
		all = append(all, v)
	}
	slices.SortStableFunc(all, func(a, b vacancy) int { return cmp.Compare(a.since, b.since) })
	return all
}

// takeClient begins a new generation of client record c, whose liveness semaphore this process
// holds at LiveJoining. The semaphore goes to LiveJoined only after the previous client is marked
// dead, so that the old generation of the record never counts as alive again.
func takeClient(seg *segment.Segment, c int, p Profile) (layout.Owner, error) {
	state := seg.Client(c, layout.ClientStateWord)
	for lives := false; ; {
		old := layout.ClientState(atomic.LoadUint64(state))
		if old.State() == layout.ClientJoined {
			markDead(seg, c, old)
			continue
		}
		if !lives {
			const by = layout.LiveJoined - layout.LiveJoining
			alive := []sysvsem.Op{{Num: layout.SemLive(c), Op: by, Flags: sysvsem.NoWait | sysvsem.Undo}}
			if err := seg.Set.TryOp(alive); err != nil {
				return 0, seg.SemError(err)
			}
			lives = true
			fault.At(fault.JoinAlone)
		}
		segment.SetText(seg.Text(seg.Map.Clients.At(c)+layout.ClientName, layout.NameSize), p.Name)
		atomic.StoreUint64(seg.Client(c, layout.ClientPid), uint64(os.Getpid()))
		atomic.StoreUint64(seg.Client(c, layout.ClientSince), uint64(time.Now().UnixNano()))
		flags := uint64(0)
		if p.Daemon {
			flags = layout.ClientDaemon
		}
		atomic.StoreUint64(seg.Client(c, layout.ClientFlags), flags)
		seg.RaiseHigh(layout.HeaderClientHigh, c)
		fault.At(fault.JoinFilled)
		next := layout.MakeClientState(old.Generation()+1, layout.ClientJoined)
		if atomic.CompareAndSwapUint64(state, uint64(old), uint64(next)) {
			fault.At(fault.JoinJoined)
			return layout.MakeOwner(c, next.Generation(), layout.OwnerHeld), nil
		}
	}
}

// Leave gives the client record of this process back. The death bell does not ring for it. After an
// error, the kernel gives the record back when the process ends.
func Leave(seg *segment.Segment, me layout.Owner) error {
	c := me.Client()
	joined := layout.MakeClientState(me.Generation(), layout.ClientJoined)
	free := layout.MakeClientState(me.Generation(), layout.ClientFree)
	atomic.CompareAndSwapUint64(seg.Client(c, layout.ClientStateWord), uint64(joined), uint64(free))
	fault.At(fault.LeaveState)
	err := letGo(seg, c, layout.LiveJoined, false)
	if err == nil || seg.SemError(err) == segment.ErrRemoved {
		return nil
	}
	return fmt.Errorf("leave: %w", seg.SemError(err))
}

// letGo takes the liveness semaphore of client record c from the given value to 0, which is not a
// death. With ring it raises the bell all the same, for watchers that have seen a client alive
// there meanwhile.
func letGo(seg *segment.Segment, c int, life int16, ring bool) error {
	ops := []sysvsem.Op{
		{Num: layout.SemLive(c), Op: -life, Flags: sysvsem.NoWait | sysvsem.Undo},
		{Num: layout.SemBell, Op: 1, Flags: sysvsem.NoWait | sysvsem.Undo},
		{Num: layout.SemBell, Op: -1, Flags: sysvsem.NoWait},
	}
	if ring {
		ops = ops[:2]
	}
	err := ringBell(seg, ops)
	fault.At(fault.LeaveLife)
	return err
}

// markDead notes in the record that a client is dead, and counts the death. It reports whether this
// call was the first to do so.
func markDead(seg *segment.Segment, c int, old layout.ClientState) bool {
	dead := layout.MakeClientState(old.Generation(), layout.ClientDead)
	state := seg.Client(c, layout.ClientStateWord)
	if !atomic.CompareAndSwapUint64(state, uint64(old), uint64(dead)) {
		return false
	}
	fault.At(fault.BuryMarked)
	deaths := atomic.AddUint64(seg.Header(layout.HeaderDeaths), 1)
	atomic.StoreUint64(seg.Client(c, layout.ClientDied), deaths)
	return true
}
