//go:build linux

package main

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

func (c *round) startWatcher() error {
	c.watcher = &process{job: job{Role: roleWatch}}
	if err := c.start(c.watcher); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); c.watcher.place.diary.get(wordPhase) < phaseReady; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			c.verdict.violated("the watcher does not start: %s", c.watcher.stderr())
			return nil
		}
	}
	return nil
}

func (c *round) start(p *process, program ...string) error {
	if err := c.pool.start(p, program); err != nil {
		return err
	}
	c.tally.started++
	c.alive[p.pid] = p
	return nil
}

// of returns the living with a role, in the order of their birth.
func (c *round) of(role string) []*process {
	var list []*process
	for _, p := range c.alive {
		if p.Role == role {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b *process) int { return int(a.ID) - int(b.ID) })
	return list
}

// populate replaces those that are gone.
func (c *round) populate() error {
	for range c.publishers - len(c.of(rolePublish)) {
		if err := c.join(rolePublish); err != nil {
			return err
		}
	}
	for range c.subscribers - len(c.of(roleSubscribe)) {
		if err := c.join(roleSubscribe); err != nil {
			return err
		}
	}
	return nil
}

func (c *round) join(role string) error {
	c.lastID++
	p := &process{fault: randomFault(c.rnd, role, c.tally.points)}
	if atParting(p.fault) {
		p.retires = time.Now().Add(time.Duration(20+c.rnd.IntN(500)) * time.Millisecond)
	}
	if role == rolePublish {
		p.job = randomPublisher(c.rnd, c.lastID, c.options)
	} else {
		p.job = randomSubscriber(c.rnd, c.lastID)
		// In the first lap of a bus that does not begin at 0 the oldest would be what was never
		// published.
		p.Oldest = p.Oldest && c.auditor.truth.head.Load() >= c.auditor.first+uint64(c.slots)
		p.expect = newExpectation(c.auditor.truth, wishOf(p.Patterns), p.Policy, c.slots)
	}
	c.tally.joins++
	if err := c.start(p); err != nil {
		return err
	}
	c.deed("join %v", p)
	return nil
}

// act does something to somebody.
func (c *round) act() {
	list := c.of(pick(c.rnd, rolePublish, roleSubscribe))
	if len(list) == 0 {
		return
	}
	p := pick(c.rnd, list...)
	switch n := c.rnd.IntN(100); {
	case n < 60:
		c.deed("kill %v", p)
		p.kill()
	case n < 85:
		if !p.stopped && p.killed == 0 {
			c.deed("stop %v", p)
			c.tally.stops++
			p.signal(unix.SIGSTOP)
			c.stopped(p)
		}
	case n < 97:
		if !p.leaving {
			c.sendOff(p)
		}
	default:
		if b := c.busdNow; b != nil && !b.stopped && b.killed == 0 {
			c.deed("stop %v", b)
			c.tally.stops++
			b.signal(unix.SIGSTOP)
			c.stopped(b)
		}
	}
}

func (c *round) sendOff(p *process) {
	c.deed("send away %v", p)
	p.since = time.Now()
	p.leave()
}

// stopped says for how long one that was stopped, by whomever, stays so. Whom publishers wait for,
// by their own promise, is stopped for a moment only.
func (c *round) stopped(p *process) {
	c.stirred++
	p.stopped = true
	longest := pick(c.rnd, 20, 200, 2000)
	if p.blocks() {
		longest = 30
		c.auditor.stand.excuse(time.Now())
	}
	p.resume = time.Now().Add(time.Duration(1+c.rnd.IntN(longest)) * time.Millisecond)
}

// keepBusd starts busd, kills it after some seconds, and lets as many pass without one.
func (c *round) keepBusd() error {
	if b := c.busdNow; b != nil && !b.noticed {
		b.noticed = c.isClient(b.pid)
		if !b.noticed && time.Since(b.awake) > patience && !b.stopped {
			c.verdict.violated("%v does not join the bus: %s", b, b.stderr())
		}
	}
	if time.Now().Before(c.busdFor) {
		return nil
	}
	c.busdFor = time.Now().Add(time.Duration(1000+c.rnd.IntN(4000)) * time.Millisecond)
	if b := c.busdNow; b != nil {
		if b.killed == 0 {
			c.deed("kill %v", b)
			b.kill()
		}
		return nil
	}
	p := &process{job: job{Role: roleBusd, Seed: c.rnd.Uint64()}}
	if c.rnd.IntN(3) == 0 {
		p.fault = randomFault(c.rnd, roleBusd, c.tally.points)
	}
	if err := c.start(p, c.busd, "serve", "-b", busName); err != nil {
		return err
	}
	c.busdNow = p
	c.deed("start %v", p)
	return nil
}

// isClient reports whether a process is a client of the bus.
func (c *round) isClient(pid int) bool {
	snap, err := c.bus.Snapshot()
	if err != nil {
		return false
	}
	for _, cl := range snap.Clients {
		if cl.Pid == pid && cl.Alive {
			return true
		}
	}
	return false
}
