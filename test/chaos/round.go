//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/internal/fault"
)

const (
	// patience is how long something may take that should take a moment, on a machine with other
	// things to do.
	patience = 20 * time.Second
	// tick is how often the coordinator looks.
	tick = 2 * time.Millisecond
)

// A round is one bus with everybody on it.
type round struct {
	*run
	limit limit
	first uint64

	bus     *bus.Bus
	auditor *auditor
	alive   map[int]*process
	drained []*process   // dead ones whose diaries are not judged to the end
	settled []settlement // dead publishers whose messages may not all be in the truth yet
	deaths  obituaries
	watcher *process
	busdNow *process
	busdFor time.Time // when busd is started or killed next
	over    bool      // nobody is replaced any more
	stirred int       // grows when somebody ends, stops or continues

	joined, perhaps int // clients that died while certainly, or possibly, joined
	uncounted       int // processes that died between marking another one dead and counting it
	marks           []mark
	looked          time.Time
}

// A settlement is due when the truth has reached a position.
type settlement struct {
	at           uint64
	who          string
	id           uint32
	begun, acked uint64
}

// A mark is where the truth was at a time.
type mark struct {
	at   time.Time
	head uint64
}

func (r *run) round(ctx context.Context, i int, limit limit) (err error) {
	c := &round{run: r, limit: limit, first: r.firstPosition(i), alive: make(map[int]*process)}
	r.deed("round %d begins at position %d", i, c.first)
	defer func() {
		c.killAll()
		if c.bus != nil {
			c.bus.Close()
		}
		if rmErr := bus.Remove(busName); rmErr != nil && !errors.Is(rmErr, bus.ErrNotFound) {
			err = errors.Join(err, rmErr)
		}
	}()
	if err := c.create(); err != nil {
		return err
	}
	if c.bus, err = bus.Open(busName, bus.WithClientName("coordinator")); err != nil {
		return err
	}
	if c.auditor, err = newAuditor(c.bus); err != nil {
		return err
	}
	go c.auditor.run()
	defer func() { c.tally.sum(c.auditor) }()
	err = c.play(ctx)
	if c.verdict.failed() || err != nil || ctx.Err() != nil {
		c.killAll()
		if auditErr := c.auditor.stop(); auditErr != nil && !c.verdict.failed() {
			c.verdict.violated("auditor: %v", auditErr)
		}
		c.auditor.detach()
		return err
	}
	return c.finish()
}

// create has the bus created, after some who tried have died on the way.
func (c *round) create() error {
	env := fmt.Sprintf("SHMBUS_FIRST_POSITION=%d", c.first)
	faults := []string{""}
	if fault.Enabled {
		points := pointsOf("create")
		faults = []string{pick(c.rnd, points...).String() + "=kill", pick(c.rnd, points...).String() + "=kill", ""}
	}
	for i, f := range faults {
		p := &process{job: job{Role: roleCreate, Slots: c.slots}, fault: f}
		if err := c.runOne(p, env); err != nil {
			return err
		}
		if i < len(faults)-1 {
			// What was complete is removed, so that the next one is not told that there is one
			// already.
			if err := bus.Remove(busName); err != nil && !errors.Is(err, bus.ErrNotFound) {
				return fmt.Errorf("removing what a creator left that died at %s: %w", f, err)
			}
		}
	}
	return nil
}

// runOne starts a process and waits for its end, which is at its fault if it has one.
func (c *round) runOne(p *process, env ...string) error {
	if err := c.pool.start(p, nil, env...); err != nil {
		return err
	}
	c.tally.started++
	select {
	case <-c.pool.ends:
	case <-time.After(patience):
		p.signal(unix.SIGKILL)
		<-c.pool.ends
	}
	status := p.status()
	defer func() { c.pool.free = append(c.pool.free, p.place) }()
	switch rep := p.faults(); {
	case rep.Fired && status.Signaled() && status.Signal() == unix.SIGKILL:
		c.tally.point(rep.At)
	case !status.Exited() || status.ExitStatus() != 0:
		return fmt.Errorf("%v: status %#x: %s", p, status, p.stderr())
	}
	return nil
}

// play lets everybody in, and goes on until the limit is reached or a promise is broken.
func (c *round) play(ctx context.Context) error {
	if err := c.startWatcher(); err != nil {
		return err
	}
	c.busdFor = time.Now().Add(time.Duration(c.rnd.IntN(3000)) * time.Millisecond)
	next := time.Now()
	calm := c.tally.kills() + calmEvery
	if c.limit.kills > 0 {
		calm = min(calm, (c.tally.kills()+c.limit.kills)/2)
	}
	for ctx.Err() == nil && !c.verdict.failed() && !c.limit.reached(c.tally.kills()) {
		if err := c.populate(); err != nil {
			return err
		}
		if n := c.tally.kills(); n >= calm {
			c.calm(ctx)
			calm = n + calmEvery
			continue
		}
		if now := time.Now(); !now.Before(next) {
			next = now.Add(time.Duration(c.rnd.Int64N(2 * int64(c.pace))))
			c.act()
		}
		if err := c.keepBusd(); err != nil {
			return err
		}
		c.step()
	}
	return nil
}

// step lets a moment pass and looks at what has happened in it.
func (c *round) step() {
	timer := time.NewTimer(tick)
	defer timer.Stop()
	select {
	case p := <-c.pool.ends:
		c.gone(p)
		for len(c.pool.ends) > 0 {
			c.gone(<-c.pool.ends)
		}
	case <-timer.C:
	}
	for _, p := range c.alive {
		if !p.stopped && p.killed == 0 && p.stops() {
			c.tally.selfStops++
			c.deed("%v has stopped itself at %v", p, p.faults().At)
			c.stopped(p)
		}
	}
	c.resume()
	c.judge()
	if now := time.Now(); now.Sub(c.looked) > time.Second {
		c.looked = now
		c.lookForStuck(now)
	}
	select {
	case err := <-c.auditor.done:
		c.auditor.done <- err
		if err != nil && !c.verdict.failed() {
			c.verdict.violated("auditor: %v", err)
		}
	default:
	}
}

// resume continues those that have been stopped for long enough, excuses a standstill while one is
// stopped that publishers must wait for, and sends off those whose time has come.
func (c *round) resume() {
	now := time.Now()
	for _, p := range c.alive {
		if !p.retires.IsZero() && now.After(p.retires) && !p.leaving {
			c.sendOff(p)
		}
		if !p.stopped {
			continue
		}
		if p.blocks() {
			c.auditor.stand.excuse(now)
		}
		if now.After(p.resume) {
			c.stirred++
			p.stopped, p.awake, p.since = false, now, now
			c.deed("continue %v", p)
			p.signal(unix.SIGCONT)
		}
	}
}

// gone is what a process's end means.
func (c *round) gone(p *process) {
	c.stirred++
	delete(c.alive, p.pid)
	c.drained = append(c.drained, p)
	c.ended(p, p.status())
	if p.Role == rolePublish {
		c.settled = append(c.settled, settlement{c.auditor.ring.Head(), p.String(), p.ID, p.place.diary.get(wordBegun), p.place.diary.get(wordAcked)})
	}
}

// ended judges how a process ended, and counts it.
func (c *round) ended(p *process, status syscall.WaitStatus) {
	rep := p.faults()
	switch {
	case status.Exited() && status.ExitStatus() == 0:
		c.deed("%v has left", p)
		c.tally.leaves++
		return
	case status.Signaled() && status.Signal() == unix.SIGTERM && p.leaving && p.place.diary.get(wordPhase) == phaseStarting:
		// It was not listening yet.
		c.tally.leaves++
		return
	case status.Signaled() && status.Signal() == unix.SIGKILL && rep.Fired && p.killed == 0:
		c.deed("%v has killed itself at %v", p, rep.At)
		c.tally.point(rep.At)
	case status.Signaled() && status.Signal() == unix.SIGKILL && p.killed != 0:
		c.tally.external++
		if rep.Passed {
			c.tally.passed[rep.Last]++
		}
	default:
		c.verdict.violated("%v ended with status %#x: %s", p, status, p.stderr())
		return
	}
	if p.Role == roleBusd {
		c.tally.busdKills++
	}
	if rep.Fired && rep.At == fault.BuryMarked || rep.Passed && rep.Last == fault.BuryMarked {
		c.uncounted++
	}
	switch phase := p.place.diary.get(wordPhase); {
	case p.Role == roleBusd && !p.noticed, phase == phaseOpening, phase == phaseLeaving:
		c.perhaps++
		c.deaths.perhaps(p.pid)
	case p.Role == roleBusd, phase == phaseJoined, phase == phaseReady:
		c.joined++
		c.deaths.died(p.pid, time.Duration(p.killed), c.busdNow != nil && c.busdNow.noticed)
	}
	if p == c.busdNow {
		c.busdNow = nil
	}
}

// killAll ends whatever is left.
func (c *round) killAll() {
	for _, p := range c.alive {
		p.kill()
	}
	for len(c.alive) > 0 {
		delete(c.alive, (<-c.pool.ends).pid)
	}
}
