//go:build linux

package main

import (
	"slices"
	"time"
)

// judge reads the diaries.
func (c *round) judge() {
	head := c.auditor.truth.head.Load()
	for _, p := range c.alive {
		c.readDiary(p, head)
	}
	c.drained = slices.DeleteFunc(c.drained, func(p *process) bool {
		if !c.readDiary(p, head) {
			return false
		}
		c.pool.free = append(c.pool.free, p.place)
		return true
	})
	c.settled = slices.DeleteFunc(c.settled, func(s settlement) bool {
		if head < s.at {
			return false
		}
		if err := c.auditor.accounts.settle(s.id, s.begun, s.acked); err != nil {
			c.verdict.violated("%s: %v", s.who, err)
		}
		return true
	})
}

// readDiary judges a process's events as far as the truth has come, and reports whether that is all
// of them.
func (c *round) readDiary(p *process, head uint64) bool {
	for !c.verdict.failed() {
		e, ok := p.place.diary.peek()
		if !ok {
			return true
		}
		if e.kind == evDeath {
			c.deaths.reported(int(e.a), time.Duration(e.b))
			p.place.diary.advance()
			continue
		}
		if p.expect.needs(e) > head {
			return false
		}
		if err := p.expect.take(e); err != nil {
			c.verdict.violated("%v: %v", p, err)
			c.explain(p)
		}
		c.tally.note(e)
		p.place.diary.advance()
	}
	return true
}

// lookForStuck checks that whoever is neither stopped nor gone gets on.
func (c *round) lookForStuck(now time.Time) {
	head := c.auditor.truth.head.Load()
	c.marks = append(c.marks, mark{now, head})
	for len(c.marks) > 1 && now.Sub(c.marks[1].at) > patience {
		c.marks = c.marks[1:]
	}
	if _, present := c.auditor.stand.read(now); present > patience && !c.over {
		c.verdict.violated("nothing was published for %v", present)
	}
	for _, p := range c.alive {
		if p.stopped || now.Sub(p.awake) <= patience {
			continue
		}
		switch p.Role {
		case roleSubscribe:
			if p.expect.next == 0 {
				c.verdict.violated("%v has not subscribed for %v", p, now.Sub(p.awake))
			} else if old := c.marks[0]; now.Sub(old.at) > patience {
				if err := p.expect.overdue(old.head); err != nil {
					c.verdict.violated("%v is stuck: %v ago, %v", p, now.Sub(old.at), err)
				}
			}
			if err := p.expect.forget(); err != nil {
				c.verdict.violated("%v is far behind: %v", p, err)
			}
		case rolePublish:
			if n := p.place.diary.get(wordAcked) + p.place.diary.get(wordBegun); n != p.progress {
				p.progress, p.since = n, now
			} else if now.Sub(p.since) > patience && !p.leaving && !p.NoWait && p.Timeout == 0 {
				c.verdict.violated("%v has not published for %v", p, now.Sub(p.since))
			}
		}
		if p.leaving && now.Sub(p.since) > 2*patience && now.Sub(p.awake) > 2*patience {
			c.verdict.violated("%v does not leave", p)
		}
	}
}

// explain logs the truth about where a subscription is.
func (c *round) explain(p *process) {
	x := p.expect
	c.deed("%v: next %d, lossy %v, head %d", p, x.next, x.lossy, x.truth.head.Load())
	for q := x.next - 80; q < min(x.next+80, x.truth.head.Load()); q++ {
		c.deed("  %d: %v", q, x.truth.at(q))
	}
	for i, o := range x.open {
		if o.count > 0 {
			c.deed("  of record %d: %+v", i, o)
		}
	}
}
