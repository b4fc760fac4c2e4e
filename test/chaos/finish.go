//go:build linux

package main

import (
	"errors"
	"fmt"
	"time"

	"shmbus/bus"
	"shmbus/internal/fault"
	"shmbus/internal/inspect"
)

// finish lets everybody leave and checks what is left.
func (c *round) finish() error {
	c.over = true
	c.deed("the round ends")
	for _, p := range c.alive {
		p.resume = time.Now()
	}
	c.sendAway(rolePublish)
	for _, p := range c.of(roleSubscribe) {
		p.place.diary.set(wordFinal, 1)
	}
	c.sendAway(roleSubscribe)
	c.sendAway(roleBusd)
	var s bus.Snapshot
	if !c.wait(patience, func() bool {
		var err error
		s, err = c.bus.Snapshot()
		return err == nil && s.Deaths >= uint64(c.joined-c.uncounted)
	}) && !c.verdict.failed() {
		c.verdict.violated("%d of %d deaths were noticed; the watcher did not report %v; clients: %+v", s.Deaths, c.joined, c.deaths.open, s.Clients)
	}
	// A death can only be missing if the record was in use again at once.
	c.wait(2*time.Second, func() bool { return c.deaths.missing() == 0 })
	c.sendAway(roleWatch)
	c.await("diaries are not read to the end", func() bool { return len(c.drained)+len(c.settled) == 0 })
	if err := c.auditor.stop(); err != nil && !c.verdict.failed() {
		c.verdict.violated("auditor: %v", err)
	}
	defer c.auditor.detach()
	if c.verdict.failed() {
		return nil
	}
	c.closeBooks()
	return c.remove()
}

// sendAway lets everybody with a role leave and waits until they have.
func (c *round) sendAway(role string) {
	for _, p := range c.of(role) {
		p.since = time.Now()
		p.leave()
	}
	c.await("not every "+role+" leaves", func() bool { return len(c.of(role)) == 0 })
}

func (c *round) await(complaint string, ok func() bool) {
	if !c.wait(2*patience, ok) && !c.verdict.failed() {
		c.verdict.violated("%s", complaint)
	}
}

// wait goes on until the condition holds, patience is over, or a promise is broken.
func (c *round) wait(patience time.Duration, ok func() bool) bool {
	for deadline := time.Now().Add(patience); !c.verdict.failed(); c.step() {
		c.auditor.stand.excuse(time.Now())
		if ok() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
	return false
}

// closeBooks compares the bus's own counts with what happened, now that everybody is gone.
func (c *round) closeBooks() {
	s, err := c.bus.Snapshot()
	if err != nil {
		c.verdict.violated("snapshot: %v", err)
		return
	}
	t := &c.run.tally
	if s.Deaths < uint64(c.joined-c.uncounted) || s.Deaths > uint64(c.joined+c.perhaps) {
		c.verdict.violated("the bus counted %d deaths; %d clients died, and %d that may have been clients", s.Deaths, c.joined, c.perhaps)
	}
	if head := c.auditor.truth.head.Load(); s.Head != head {
		c.verdict.violated("the head is %d, the auditor read up to %d", s.Head, head)
	}
	t.deaths += int(s.Deaths)
	t.reclaimed += s.Reclaimed
	t.evictions += s.Evictions
	t.with = append(t.with, c.deaths.with...)
	t.without = append(t.without, c.deaths.without...)
	t.unreported += c.deaths.missing()
	t.matched += c.deaths.matched
	if err := vacant(c.auditor.mapping.Bytes(), c.auditor.sections); err != nil {
		c.verdict.violated("at the end: %v", err)
	}
	c.balance()
}

// balance checks that every slot is in exactly one place, and that the records of the dead can all
// be used again, with all their slots.
func (c *round) balance() {
	books, err := inspect.Audit(c.bus.ShmID())
	if err == nil {
		err = balanced(books)
	}
	// The evidence for a pair may be a pair of a record that is settled later.
	for pass := 0; err == nil && books.Unsettled > 0 && pass <= maxRecords; pass++ {
		var all []*bus.Publisher
		for {
			p, openErr := c.bus.Publisher("all")
			if openErr != nil {
				if !errors.Is(openErr, bus.ErrTableFull) || len(all) != maxRecords {
					c.verdict.violated("%d of %d publisher records can be used again: %v", len(all), maxRecords, openErr)
				}
				break
			}
			all = append(all, p)
		}
		for _, p := range all {
			p.Close()
		}
		if books, err = inspect.Audit(c.bus.ShmID()); err == nil {
			err = balanced(books)
		}
	}
	if err == nil && books.Unsettled > 0 {
		err = fmt.Errorf("%d slots cannot be settled: %+v", books.Unsettled, books)
	}
	if err != nil {
		c.verdict.violated("books: %v", err)
		return
	}
	c.run.tally.slots += books.Total
	c.run.tally.balanced += books.Ring + books.Owned
}

// remove removes the bus, after some who tried have died on the way.
func (c *round) remove() error {
	if err := c.bus.Close(); err != nil {
		return err
	}
	c.bus = nil
	if fault.Enabled {
		p := &process{job: job{Role: roleRemove}, fault: pick(c.rnd, pointsOf("remove")...).String() + "=kill"}
		if err := c.runOne(p); err != nil {
			return err
		}
	}
	err := bus.Remove(busName)
	if err != nil && !errors.Is(err, bus.ErrNotFound) {
		return err
	}
	if left, err := bus.List(); err != nil || len(left) > 0 {
		c.verdict.violated("after its removal there is still %+v (%v)", left, err)
	}
	return nil
}
