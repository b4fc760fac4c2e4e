package bus

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"shmbus/layout"
	"shmbus/ring/fault"
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
	if err := b.adopt(); err != nil {
		return err
	}
	defer b.unref()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(b.ctx, stop)()
	b.beginWait()
	dead := b.newObituary(f)
	err := b.listen(ctx, func() { b.clearTheDead(dead) })
	if b.ctx.Err() != nil {
		return ErrClosed
	}
	return err
}

// An obituary is what one watcher knows of the dead.
type obituary struct {
	report func(Death)
	known  map[int]uint32 // client -> generation that is known to be dead
}

func (b *Bus) newObituary(report func(Death)) *obituary {
	o := &obituary{report: report, known: make(map[int]uint32)}
	b.theDead(func(c int, generation uint32) { o.known[c] = generation })
	return o
}

// theDead calls f for each client record whose last client is known to have died.
func (b *Bus) theDead(f func(c int, generation uint32)) {
	for c := range b.seg.high(layout.HeaderClientHigh, b.seg.m.Geometry.Clients) {
		state := layout.ClientState(atomic.LoadUint64(b.seg.client(c, layout.ClientStateWord)))
		if state.State() == layout.ClientDead {
			f(c, state.Generation())
		}
	}
}

// watch starts this handle's own listener, once: from then on a death makes all its sleepers look again,
// because the dead may have owed them a wake-up.
func (b *Bus) watch() {
	b.watching.Do(func() {
		b.watchers.Go(func() {
			dead := b.newObituary(nil)
			b.listen(b.ctx, func() {
				b.clearTheDead(dead)
				b.dorm.kickAll()
			})
			b.dorm.kickAll() // closed or removed
		})
	})
	b.beginWait()
}

// listen calls f now and whenever the death bell has rung.
//
// The bell's value only grows: it is raised by the kernel as it undoes the operations of a process that ended.
// Waiting for value-k-1 and giving it back in one operation waits for value > k and changes nothing,
// so that everybody hears every ring.
func (b *Bus) listen(ctx context.Context, f func()) error {
	set := b.seg.set
	for {
		k, err := set.GetVal(layout.SemBell)
		if err != nil {
			return b.seg.semError(err)
		}
		if b.seg.removed() {
			return ErrRemoved
		}
		fault.At(fault.BellRead)
		f()
		fault.At(fault.BellHeard)
		if k >= bellLimit {
			b.seg.lowerBell()
			continue
		}
		// Somebody else may take the value down between reading it and waiting: hence the time limit.
		wait, stop := context.WithTimeout(ctx, time.Minute)
		err = set.Op(wait, sysvsem.Op{Num: layout.SemBell, Op: -int16(k + 1)}, sysvsem.Op{Num: layout.SemBell, Op: int16(k + 1)})
		stop()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			return b.seg.semError(err)
		}
	}
}

// lowerBell takes the bell's value down, unless somebody else has. Where nobody listens it would grow until no client
// can join any more.
func (s *segment) lowerBell() bool {
	if s.set.TryOp([]sysvsem.Op{{Num: layout.SemBell, Op: -bellLimit, Flags: sysvsem.NoWait}}) != nil {
		return false
	}
	fault.At(fault.BellLowered)
	atomic.AddUint64(s.header(layout.HeaderBellResets), 1)
	return true
}

// Recover clears what dead clients left, and returns how many it found that nobody else had. Whoever listens to the
// death bell does the same; a record that nobody cleared is taken over by the next who needs one.
func (b *Bus) Recover() (int, error) {
	if err := b.adopt(); err != nil {
		return 0, err
	}
	defer b.unref()
	n, err := b.buryTheDead()
	b.clearRecords()
	return n, err
}

// buryTheDead marks the clients that the kernel says are dead, and returns how many it was the first to mark.
func (b *Bus) buryTheDead() (int, error) {
	seg := b.seg
	alive, err := seg.set.GetAll()
	if err != nil {
		return 0, seg.semError(err)
	}
	n := 0
	for c := range seg.high(layout.HeaderClientHigh, seg.m.Geometry.Clients) {
		state := layout.ClientState(atomic.LoadUint64(seg.client(c, layout.ClientStateWord)))
		// A client that joined after GetAll is not dead: the kernel is asked again.
		lives := int(layout.SemLive(c)) < len(alive) && alive[layout.SemLive(c)] > 0
		if state.State() == layout.ClientJoined && !lives && !seg.clientLives(c) && seg.buryClient(c, state) {
			n++
		}
	}
	return n, nil
}

// clearTheDead clears what the dead left and reports those that are not known yet.
func (b *Bus) clearTheDead(o *obituary) {
	if _, err := b.buryTheDead(); err != nil {
		return // removed: the wait that follows says so
	}
	var news []Death
	b.theDead(func(c int, generation uint32) {
		if o.known[c] == generation {
			return
		}
		o.known[c] = generation
		d := Death{
			Client: c, At: time.Now(),
			Pid:  int(atomic.LoadUint64(b.seg.client(c, layout.ClientPid))),
			Name: layout.CString(b.seg.text(b.seg.m.Clients.At(c)+layout.ClientName, layout.NameSize)),
		}
		d.Publishers, d.Subscribers = b.countRecords(c, generation)
		news = append(news, d)
	})
	b.clearRecords()
	if o.report != nil {
		for _, d := range news {
			o.report(d)
		}
	}
}

func (b *Bus) countRecords(c int, generation uint32) (pubs, subs int) {
	seg, owner := b.seg, layout.MakeOwner(c, generation, layout.OwnerHeld)
	for p := range seg.high(layout.HeaderPubHigh, seg.m.Geometry.Publishers) {
		if atomic.LoadUint64(seg.pub(p, layout.PubOwner)) == uint64(owner) {
			pubs++
		}
	}
	for s := range seg.high(layout.HeaderSubHigh, seg.m.Geometry.Subscribers) {
		if atomic.LoadUint64(seg.sub(s, layout.SubOwner)) == uint64(owner) {
			subs++
		}
	}
	return pubs, subs
}

// clearRecords frees the records of dead owners. Each is taken first, so that nobody else uses or clears it
// meanwhile; one that is not cleared to the end is found again when this client is dead itself.
func (b *Bus) clearRecords() {
	seg, me := b.seg, b.client.owner(layout.OwnerHeld)
	for s := range seg.high(layout.HeaderSubHigh, seg.m.Geometry.Subscribers) {
		w := seg.sub(s, layout.SubOwner)
		if before, vacant := b.vacate(s); vacant && before != 0 && seg.takeFrom(w, before, me) {
			fault.At(fault.ClearSubscriber)
			b.wipeSubscriber(s)
			fault.At(fault.ClearSubscriberWiped)
			atomic.StoreUint64(w, 0)
			fault.At(fault.ClearSubscriberFreed)
		}
	}
	for p := range seg.high(layout.HeaderPubHigh, seg.m.Geometry.Publishers) {
		w := seg.pub(p, layout.PubOwner)
		owner := layout.Owner(atomic.LoadUint64(w))
		if owner == 0 || seg.alive(owner) {
			continue
		}
		if _, ok := seg.take(w, me); ok {
			fault.At(fault.ClearPublisher)
			b.wipePublisher(p, true)
			fault.At(fault.ClearPublisherWiped)
			atomic.StoreUint64(w, 0)
			fault.At(fault.ClearPublisherFreed)
		}
	}
}

// vacate reports whether subscriber record s may be taken, because it is free or its owner is dead, and returns that owner. The
// gate of a dead owner is open afterwards: opening it needs no ownership, and while it is closed publishers wait. So it
// is opened before the record is taken, since whoever takes it may be stopped at once, and is alive.
func (b *Bus) vacate(s int) (before layout.Owner, ok bool) {
	seg := b.seg
	// The gate is read before the owner: if it is the gate of a later owner, then so is the owner that is read.
	gate := b.ring.Gate(s)
	before = layout.Owner(atomic.LoadUint64(seg.sub(s, layout.SubOwner)))
	if before == 0 {
		return before, true
	}
	if before == b.client.owner(layout.OwnerHeld) || seg.alive(before) {
		return before, false
	}
	opened := b.ring.OpenGate(s, gate, layout.GateOpen)
	fault.At(fault.ClearGate)
	if opened {
		seg.wakeBlocked()
	}
	return before, true
}

// wipePublisher brings a record whose previous owner has left or is dead into the state in which a
// new one can use it. The caller owns the record.
func (b *Bus) wipePublisher(p int, dead bool) {
	seg := b.seg
	if t := atomic.LoadUint64(seg.pub(p, layout.PubTopic)); t > 0 && t <= uint64(seg.m.Geometry.Topics) {
		if dead {
			// It may have published and not woken. From here on its intent counts for another topic, so
			// this comes first.
			seg.wakeTopic(int(t - 1))
			fault.At(fault.WipeWoken)
		}
		b.flushCounts(p, int(t-1))
		fault.At(fault.WipeCounted)
		atomic.StoreUint64(seg.pub(p, layout.PubTopic), 0)
		fault.At(fault.WipeTopic)
	}
	atomic.StoreUint64(seg.pub(p, layout.PubIntent), 0)
	fault.At(fault.WipeIntent)
	atomic.StoreUint64(seg.pub(p, layout.PubFull), 0)
	atomic.AndUint64(seg.header(layout.HeaderBlocked+8*(p/64)), ^uint64(1<<(p%64)))
	seg.awaken(seg.pub(p, layout.PubWake))
	fault.At(fault.WipePublisher)
}

// flushCounts moves a publisher record's counts to its topic's record. The caller owns the publisher record.
func (b *Bus) flushCounts(p, topic int) {
	seg := b.seg
	atomic.AddUint64(seg.topic(topic, layout.TopicMessages), atomic.SwapUint64(seg.pub(p, layout.PubMessages), 0))
	atomic.AddUint64(seg.topic(topic, layout.TopicBytes), atomic.SwapUint64(seg.pub(p, layout.PubBytes), 0))
}

// wipeSubscriber does the same for a subscriber record.
func (b *Bus) wipeSubscriber(s int) {
	seg := b.seg
	b.ring.OpenGate(s, b.ring.Gate(s), layout.GateOpen)
	fault.At(fault.WipeGate)
	b.ring.ForgetGate(s)
	fault.At(fault.WipeList)
	bit := uint64(1) << (s % 64)
	atomic.AndUint64(seg.header(layout.HeaderSleepers+8*(s/64)), ^bit)
	seg.awaken(seg.sub(s, layout.SubWake))
	fault.At(fault.WipeSleeper)
	for t := range seg.m.Geometry.Topics {
		if layout.Owner(atomic.LoadUint64(seg.topic(t, layout.TopicOwner))) == 0 {
			break
		}
		if w := &seg.interest(t)[s/64]; atomic.LoadUint64(w)&bit != 0 {
			atomic.AndUint64(w, ^bit)
			fault.At(fault.WipeInterest)
		}
	}
	for _, f := range []int{layout.SubReceived, layout.SubBytes, layout.SubLost, layout.SubLosses, layout.SubSleeps,
		layout.SubPosts, layout.SubPolicy, layout.SubPatience, layout.SubMatched, layout.SubSince} {
		atomic.StoreUint64(seg.sub(s, f), 0)
	}
	clear(seg.text(seg.m.Subscribers.At(s)+layout.SubPattern, layout.PatternSize))
}

// awaken ends a sleep that nobody is in any more.
func (s *segment) awaken(word *uint64) {
	for {
		w := layout.Wake(atomic.LoadUint64(word))
		if atomic.CompareAndSwapUint64(word, uint64(w), uint64(w.With(layout.Awake))) {
			return
		}
	}
}
