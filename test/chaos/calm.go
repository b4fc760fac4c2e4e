//go:build linux

package main

import (
	"context"
	"time"
)

// Every death makes all sleepers look again, so among many deaths a wake-up that was forgotten is
// soon made up for. Therefore there are calms, in which nobody dies, stops or continues, and
// nothing but wake-ups keeps the bus going.
const (
	calmFor   = 5 * time.Second  // how long it must be calm before that is believed
	calmMost  = 20 * time.Second // how long to wait for it: who is to kill itself may do so in a calm
	calmEvery = 400              // kills
)

// calm keeps still until it has been calm for a while, and then checks that everybody has got on
// meanwhile.
func (c *round) calm(ctx context.Context) {
	c.deed("calm")
	var since time.Time
	var head uint64
	stirred := -1
	for began := time.Now(); ctx.Err() == nil && !c.verdict.failed() && time.Since(began) < calmMost; c.step() {
		switch now := time.Now(); {
		case c.stirred != stirred:
			stirred, since, head = c.stirred, now, c.auditor.truth.head.Load()
		case now.Sub(since) > calmFor:
			c.checkCalm(now, head)
			return
		}
	}
	c.deed("it has not become calm")
}

// checkCalm checks that whoever lives has read up to head, and that somebody has published since.
func (c *round) checkCalm(now time.Time, head uint64) {
	for _, p := range c.of(roleSubscribe) {
		if p.stopped || p.expect.next == 0 {
			return // somebody is not as far yet
		}
	}
	for _, p := range c.of(roleSubscribe) {
		if err := p.expect.overdue(head); err != nil {
			c.verdict.violated("%v sleeps: nobody died or was stopped for %v, and %v", p, calmFor, err)
			c.explain(p)
		}
	}
	if _, present := c.auditor.stand.read(now); present > calmFor*4/5 && len(c.of(rolePublish)) > 0 {
		c.verdict.violated("nobody died or was stopped for %v, and nothing was published for %v", calmFor, present)
	}
	c.tally.calms++
}
