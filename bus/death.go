package bus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"shmbus/internal/fault"
	"shmbus/internal/segment"
	"shmbus/internal/sleep"
	"shmbus/layout"
	"shmbus/sysvsem"
)

// A Death is a client that ended without leaving the bus, as [Bus.WatchDeaths] reports it.
type Death struct {
	Client      int
	Pid         int // in the client's own pid namespace
	Name        string
	Publishers  int // records it had that nobody had cleared yet
	Subscribers int
	At          time.Time // when it was noticed
}

// bellLimit is where the bell's value is taken down: half of what a semaphore holds, so that of
// several that try only one can.
const bellLimit = 16384

// WatchDeaths waits for clients to die, clears what they left, and reports each to f, which may be nil. It
// returns when ctx ends or the bus is closed or removed. Any number of processes may watch, whether or not there is a
// daemon, and each hears of every death, unless clients are so many that the dead one's record is in use again before
// it looks; what the dead left is cleared by one of them.
func (b *Bus) WatchDeaths(ctx context.Context, f func(Death)) error {
	if err := alive(ctx); err != nil {
		return b.fail("watch deaths of", err)
	}
	if err := b.adopt(); err != nil {
		return b.fail("watch deaths of", err)
	}
	defer b.unref()
	return b.fail("watch deaths of", b.watchDeaths(ctx, f))
}

func (m *member) watchDeaths(ctx context.Context, f func(Death)) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(m.ctx, stop)()
	m.beginWait()
	dead := m.newObituary(f)
	err := m.listen(ctx, func(lives []uint16) { m.clearTheDead(dead, lives) })
	if m.ctx.Err() != nil {
		return ErrClosed
	}
	return err
}

// An obituary is what one watcher knows of the dead.
type obituary struct {
	report  func(Death)
	known   map[int]uint32 // client -> generation that is known to be dead
	cleared bool           // what the dead had left when it began
}

func (m *member) newObituary(report func(Death)) *obituary {
	o := &obituary{report: report, known: make(map[int]uint32)}
	m.theDead(func(c int, generation uint32) { o.known[c] = generation })
	return o
}

// theDead calls f for each client record whose last client is known to have died.
func (m *member) theDead(f func(c int, generation uint32)) {
	for c := range m.seg.High(layout.HeaderClientHigh, m.seg.Map.Geometry.Clients) {
		state := layout.ClientState(atomic.LoadUint64(m.seg.Client(c, layout.ClientStateWord)))
		if state.State() == layout.ClientDead {
			f(c, state.Generation())
		}
	}
}

// watch starts this handle's own listener, once: from then on a death makes those of its sleepers look again to whom the
// dead may have owed a wake-up. Where it cannot listen, the handle cannot sleep.
func (m *member) watch() {
	m.watching.Do(func() {
		m.begin(func() {
			dead := m.newObituary(nil)
			err := m.listen(m.ctx, func(lives []uint16) {
				m.clearTheDead(dead, lives)
				m.parker.UnparkOwed()
			})
			if m.ctx.Err() == nil && !m.seg.Removed() {
				m.parker.Fail(fmt.Errorf("the deaths of others cannot be heard: %w", err))
				return
			}
			m.parker.UnparkAll() // closed or removed
		})
	})
	m.beginWait()
}

// listen calls f now and whenever the death bell has rung, with the values of all semaphores.
//
// The bell's value only grows: it is raised by the kernel as it undoes the operations of a process that ended.
// Waiting for value-k-1 and giving it back in one operation waits for value > k and changes nothing,
// so that everybody hears every ring.
func (m *member) listen(ctx context.Context, f func(lives []uint16)) error {
	e := ear{seg: m.seg}
	defer context.AfterFunc(ctx, func() { e.wake(e.turn.Load()) })()
	for {
		resets := e.resets()
		lives, err := m.seg.Set.GetAll()
		if err != nil {
			return m.seg.SemError(err)
		}
		if m.seg.Removed() {
			return ErrRemoved
		}
		fault.At(fault.BellRead)
		f(lives)
		fault.At(fault.BellHeard)
		k := lives[layout.SemBell]
		if k >= bellLimit {
			lowerBell(m.seg)
			continue
		}
		if err := e.wait(ctx, k, resets); err != nil {
			return err
		}
	}
}

// An ear is what listens to the bell: a thread that is in the kernel for as long as nobody dies. What ends its wait otherwise is a
// signal, so that hearing needs none: programs that ignore SIGURG hear as well.
type ear struct {
	seg    *segment.Segment
	thread atomic.Int64  // that waits, most likely
	turn   atomic.Uint64 // odd while one waits; each wait has its own
	mu     sync.Mutex    // held while turn changes, and while others look at the segment for the sake of a wait
}

// during reports what f does, if the wait goes on: until f returns it does not end, and the memory stays.
func (e *ear) during(turn uint64, f func() bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.turn.Load() == turn && f()
}

func (e *ear) endWait() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.turn.Add(1)
}

// Somebody may take the bell down after its value was read and before the wait begins: then the wait would be for a value that
// is far away. So the count of those who did is looked at again when the wait has begun, twice, because what begins may take long on a
// machine that is busy. Once the wait has begun the kernel ends it before anybody can take the bell down.
var bellLooks = []time.Duration{50 * time.Millisecond, 2 * time.Second}

func (e *ear) resets() uint64 { return atomic.LoadUint64(e.seg.Header(layout.HeaderBellResets)) }

// wait returns when the bell's value is above k, when it has been taken down since there were so many resets, or, with an error, when
// the context ends. It may return early.
func (e *ear) wait(ctx context.Context, k uint16, resets uint64) error {
	e.thread.Store(int64(unix.Gettid()))
	turn := e.turn.Add(1)
	defer e.endWait()
	for _, after := range bellLooks {
		defer time.AfterFunc(after, func() {
			if e.during(turn, func() bool { return e.resets() != resets }) {
				e.wake(turn)
			}
		}).Stop()
	}
	if err := ctx.Err(); err != nil || e.resets() != resets {
		return err
	}
	above := []sysvsem.Op{{Num: layout.SemBell, Op: -int16(k + 1)}, {Num: layout.SemBell, Op: int16(k + 1)}}
	err := e.seg.Set.WaitSignal(sleep.LongestWait(), above)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && err != sysvsem.ErrInterrupted && !errors.Is(err, sysvsem.ErrTimeout) {
		return e.seg.SemError(err)
	}
	return nil
}

// wake ends a wait, if it still goes on. A signal may come before the thread is in the kernel, and the thread may be another one by then: so
// it is sent again, to all at last. Where signals are ignored the bell is rung, and all look up.
func (e *ear) wake(turn uint64) {
	for n := 0; turn%2 == 1 && e.turn.Load() == turn; n++ {
		switch {
		case signal.Ignored(unix.SIGURG):
			e.during(turn, func() bool { return ringBell(e.seg, []sysvsem.Op{{Num: layout.SemBell, Op: 1}}) == nil })
			time.Sleep(9 * time.Millisecond)
		case n < 10:
			unix.Tgkill(os.Getpid(), int(e.thread.Load()), unix.SIGURG)
		default:
			sleep.InterruptThreads()
		}
		time.Sleep(time.Millisecond)
	}
}

// lowerBell takes the bell's value down, unless somebody else has. Where nobody listens it would grow until no client
// can join any more.
func lowerBell(s *segment.Segment) bool {
	if s.Set.TryOp([]sysvsem.Op{{Num: layout.SemBell, Op: -bellLimit, Flags: sysvsem.NoWait}}) != nil {
		return false
	}
	fault.At(fault.BellLowered)
	atomic.AddUint64(s.Header(layout.HeaderBellResets), 1)
	return true
}

// Reap clears what dead clients left, and returns how many it found that nobody else had. Whoever listens to the
// death bell does the same; a record that nobody cleared is taken over by the next who needs one.
func (b *Bus) Reap() (int, error) {
	const op = "clear the dead of"
	if err := b.adopt(); err != nil {
		return 0, b.fail(op, err)
	}
	defer b.unref()
	n, err := b.recover()
	return n, b.fail(op, err)
}

func (m *member) recover() (int, error) {
	lives, err := m.seg.Set.GetAll()
	if err != nil {
		return 0, m.seg.SemError(err)
	}
	n := m.buryTheDead(lives)
	m.clearRecords(m.seg.AliveIn(lives))
	return n, nil
}

// buryTheDead marks the clients that were dead when the values of all semaphores were lives, and returns how many it was the first to mark.
func (m *member) buryTheDead(lives []uint16) int {
	seg, n := m.seg, 0
	for c := range seg.High(layout.HeaderClientHigh, seg.Map.Geometry.Clients) {
		if segment.LivesIn(lives, c) {
			continue
		}
		// A client that joined after that is not dead: the kernel is asked again.
		if state := seg.ClientState(c); state.State() == layout.ClientJoined && !seg.ClientLives(c) && buryClient(seg, c, state) {
			n++
		}
	}
	return n
}

// clearTheDead reports the dead that are not known yet. Who buried one clears what all of them have left; the others need not do it
// again. Should that one be stopped, or die, before it has, nobody waits for what is left: gates are opened and records taken by who needs
// them, and whoever listens wakes its own sleepers.
func (m *member) clearTheDead(o *obituary, lives []uint16) {
	buried := m.buryTheDead(lives)
	news := m.news(o)
	if buried > 0 || !o.cleared {
		o.cleared = true
		m.clearRecords(m.seg.AliveIn(lives))
	}
	for _, d := range news {
		o.report(d)
	}
}

// news returns the deaths that are not known yet, if somebody wants to hear of them.
func (m *member) news(o *obituary) (news []Death) {
	if o.report == nil {
		return nil
	}
	m.theDead(func(c int, generation uint32) {
		if o.known[c] == generation {
			return
		}
		o.known[c] = generation
		d := Death{
			Client: c, At: time.Now(),
			Pid:  int(atomic.LoadUint64(m.seg.Client(c, layout.ClientPid))),
			Name: layout.CString(m.seg.Text(m.seg.Map.Clients.At(c)+layout.ClientName, layout.NameSize)),
		}
		d.Publishers, d.Subscribers = m.countRecords(c, generation)
		news = append(news, d)
	})
	return news
}

func (m *member) countRecords(c int, generation uint32) (pubs, subs int) {
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

// clearRecords frees the records of dead owners. Each is taken first, so that nobody else uses or clears it
// meanwhile; one that is not cleared to the end is found again when this client is dead itself.
func (m *member) clearRecords(alive func(layout.Owner) bool) {
	seg, me := m.seg, m.client.owner(layout.OwnerHeld)
	for s := range seg.High(layout.HeaderSubHigh, seg.Map.Geometry.Subscribers) {
		w := seg.Sub(s, layout.SubOwner)
		if before, vacant := m.vacate(s, alive); vacant && before != 0 && seg.TakeFrom(w, before, me) {
			fault.At(fault.ClearSubscriber)
			m.wipeSubscriber(s)
			fault.At(fault.ClearSubscriberWiped)
			atomic.StoreUint64(w, 0)
			fault.At(fault.ClearSubscriberFreed)
		}
	}
	for p := range seg.High(layout.HeaderPubHigh, seg.Map.Geometry.Publishers) {
		w := seg.Pub(p, layout.PubOwner)
		owner := layout.Owner(atomic.LoadUint64(w))
		if owner != 0 && owner != me && !alive(owner) && seg.TakeFrom(w, owner, me) {
			fault.At(fault.ClearPublisher)
			m.wipePublisher(p, true)
			fault.At(fault.ClearPublisherWiped)
			atomic.StoreUint64(w, 0)
			fault.At(fault.ClearPublisherFreed)
		}
	}
}

// vacate reports whether subscriber record s may be taken, because it is free or its owner is dead, and returns that owner. The
// gate of a dead owner is open afterwards: opening it needs no ownership, and while it is closed publishers wait. So it
// is opened before the record is taken, since whoever takes it may be stopped at once, and is alive.
func (m *member) vacate(s int, alive func(layout.Owner) bool) (before layout.Owner, ok bool) {
	seg := m.seg
	owner := func() layout.Owner { return layout.Owner(atomic.LoadUint64(seg.Sub(s, layout.SubOwner))) }
	before = owner()
	if before == 0 {
		return before, true
	}
	if before == m.client.owner(layout.OwnerHeld) || alive(before) {
		return before, false
	}
	// The gate is read after its owner is known to be dead: before, that one may have been about to close it. The owner is read again
	// after the gate: if it is the same, this is not the gate of a later one.
	gate := m.ring.Gate(s)
	if owner() != before {
		return before, false
	}
	opened := m.ring.OpenGate(s, gate, layout.GateOpen)
	fault.At(fault.ClearGate)
	if opened {
		sleep.WakeBlocked(seg)
	}
	return before, true
}

// wipePublisher brings a record whose previous owner has left or is dead into the state in which a
// new one can use it. The caller owns the record.
func (m *member) wipePublisher(p int, dead bool) {
	seg := m.seg
	if t := atomic.LoadUint64(seg.Pub(p, layout.PubTopic)); t > 0 && t <= uint64(seg.Map.Geometry.Topics) {
		if dead {
			// It may have published and not woken. From here on its intent counts for another topic, so
			// this comes first.
			sleep.WakeTopic(seg, int(t-1))
			fault.At(fault.WipeWoken)
		}
		m.flushCounts(p, int(t-1))
		fault.At(fault.WipeCounted)
		atomic.StoreUint64(seg.Pub(p, layout.PubTopic), 0)
		fault.At(fault.WipeTopic)
	}
	atomic.StoreUint64(seg.Pub(p, layout.PubIntent), 0)
	fault.At(fault.WipeIntent)
	atomic.StoreUint64(seg.Pub(p, layout.PubFull), 0)
	atomic.AndUint64(seg.Header(layout.HeaderBlocked+8*(p/64)), ^uint64(1<<(p%64)))
	sleep.Awaken(seg.Pub(p, layout.PubWake))
	fault.At(fault.WipePublisher)
}

// flushCounts moves a publisher record's counts to its topic's record. The caller owns the publisher record.
func (m *member) flushCounts(p, topic int) {
	seg := m.seg
	atomic.AddUint64(seg.Topic(topic, layout.TopicMessages), atomic.SwapUint64(seg.Pub(p, layout.PubMessages), 0))
	atomic.AddUint64(seg.Topic(topic, layout.TopicBytes), atomic.SwapUint64(seg.Pub(p, layout.PubBytes), 0))
}

// wipeSubscriber does the same for a subscriber record.
func (m *member) wipeSubscriber(s int) {
	seg := m.seg
	m.ring.OpenGate(s, m.ring.Gate(s), layout.GateOpen)
	fault.At(fault.WipeGate)
	m.ring.ForgetGate(s)
	fault.At(fault.WipeList)
	bit := uint64(1) << (s % 64)
	atomic.AndUint64(seg.Header(layout.HeaderSleepers+8*(s/64)), ^bit)
	sleep.Awaken(seg.Sub(s, layout.SubWake))
	fault.At(fault.WipeSleeper)
	for t := range seg.Map.Geometry.Topics {
		if layout.Owner(atomic.LoadUint64(seg.Topic(t, layout.TopicOwner))) == 0 {
			break
		}
		if w := &seg.Interest(t)[s/64]; atomic.LoadUint64(w)&bit != 0 {
			atomic.AndUint64(w, ^bit)
			fault.At(fault.WipeInterest)
		}
	}
	for _, f := range []int{layout.SubReceived, layout.SubBytes, layout.SubLost, layout.SubLosses, layout.SubSleeps,
		layout.SubPosts, layout.SubPolicy, layout.SubPatience, layout.SubMatched, layout.SubSince} {
		atomic.StoreUint64(seg.Sub(s, f), 0)
	}
	clear(seg.Text(seg.Map.Subscribers.At(s)+layout.SubPattern, layout.PatternSize))
}
