package members

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"shmbus/internal/segment"
	"shmbus/layout"
)

// A Death is a client that ended without leaving the bus.
type Death struct {
	Client      int
	Pid         int // in the client's own pid namespace
	Name        string
	Publishers  int // records it had that nobody had reclaimed yet
	Subscribers int
	At          time.Time // when the death was noticed
}

// WatchDeaths waits for clients to die, reclaims what they left, and reports each to f, which may
// be nil. It returns when ctx ends or the member is stopped, or with another error if it cannot
// hear of deaths.
func (m *Member) WatchDeaths(ctx context.Context, f func(Death)) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(m.ctx, stop)()
	m.BeginWait()
	w := m.newDeathWatch(f)
	return listen(ctx, m.seg, w.look)
}

// watchForWaiters is the task that makes waiters look again if a dead client may have owed them a
// wake-up.
func (m *Member) watchForWaiters() {
	w := m.newDeathWatch(nil)
	err := listen(m.ctx, m.seg, func(lives []uint16) {
		w.look(lives)
		m.Parker.UnparkOwed()
	})
	if m.ctx.Err() == nil && !m.seg.Removed() {
		m.Parker.Fail(fmt.Errorf("the deaths of others cannot be heard: %w", err))
		return
	}
	m.Parker.UnparkAll() // stopped or removed
}

// A deathWatch is what one watcher knows of the dead.
type deathWatch struct {
	member    *Member
	report    func(Death)
	known     map[int]uint32 // client -> generation that is known to be dead
	reclaimed bool           // the records of clients that were dead when the watch began
}

// newDeathWatch returns a watch that knows all clients that are marked dead by now.
func (m *Member) newDeathWatch(report func(Death)) *deathWatch {
	w := &deathWatch{member: m, report: report, known: make(map[int]uint32)}
	m.eachDead(func(c int, generation uint32) { w.known[c] = generation })
	return w
}

// look reports the deaths that are not known yet. lives are the values of all semaphores.
//
// The watch that marks a client dead reclaims the records of all dead clients; other watches need
// not do it again. If that watch is stopped or dies before it has reclaimed them, nobody waits for
// the records: a client that needs an open gate or a free record opens or takes it itself, and each
// watch wakes its own waiters.
func (w *deathWatch) look(lives []uint16) {
	m := w.member
	marked := m.markTheDead(lives)
	news := w.news()
	if marked > 0 || !w.reclaimed {
		w.reclaimed = true
		m.reclaim(m.seg.AliveIn(lives))
	}
	for _, d := range news {
		w.report(d)
	}
}

// news returns the deaths that are not known yet, if the watch reports deaths.
func (w *deathWatch) news() (news []Death) {
	if w.report == nil {
		return nil
	}
	seg := w.member.seg
	w.member.eachDead(func(c int, generation uint32) {
		if w.known[c] == generation {
			return
		}
		w.known[c] = generation
		name := seg.Text(seg.Map.Clients.At(c)+layout.ClientName, layout.NameSize)
		d := Death{
			Client: c, At: time.Now(), Name: layout.CString(name),
			Pid: int(atomic.LoadUint64(seg.Client(c, layout.ClientPid))),
		}
		d.Publishers, d.Subscribers = w.member.countRecords(c, generation)
		news = append(news, d)
	})
	return news
}

// eachDead calls f for each client record whose last client is marked dead.
func (m *Member) eachDead(f func(c int, generation uint32)) {
	for c := range m.seg.High(layout.HeaderClientHigh, m.seg.Map.Geometry.Clients) {
		if state := m.seg.ClientState(c); state.State() == layout.ClientDead {
			f(c, state.Generation())
		}
	}
}

// markTheDead marks the clients that were dead when the values of all semaphores were lives. It
// returns the number of clients that this call was the first to mark.
func (m *Member) markTheDead(lives []uint16) int {
	seg, n := m.seg, 0
	for c := range seg.High(layout.HeaderClientHigh, seg.Map.Geometry.Clients) {
		if segment.LivesIn(lives, c) {
			continue
		}
		// A client that joined after lives were read is not dead: the kernel is asked again.
		state := seg.ClientState(c)
		if state.State() == layout.ClientJoined && !seg.ClientLives(c) && markDead(seg, c, state) {
			n++
		}
	}
	return n
}

// countRecords returns how many publisher and subscriber records a client has.
func (m *Member) countRecords(c int, generation uint32) (pubs, subs int) {
	seg, owner := m.seg, layout.MakeOwner(c, generation, layout.OwnerHeld)
	for p := range seg.High(layout.HeaderPubHigh, seg.Map.Geometry.Publishers) {
		if atomic.LoadUint64(seg.Pub(p, layout.PubOwner)) == uint64(owner) {
			pubs++
		}
	}
	for s := range seg.High(layout.HeaderSubHigh, seg.Map.Geometry.Subscribers) {
		if atomic.LoadUint64(seg.Sub(s, layout.SubOwner)) == uint64(owner) {
			subs++
		}
	}
	return pubs, subs
}
