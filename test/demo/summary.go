//go:build linux

package main

import (
	"fmt"
	"strings"

	"shmbus/bus"
)

// summary returns the lines that are left of the demo. It is called when all processes have ended.
func (d *demo) summary(err error) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.outcome
	var messages, bytes uint64
	for _, t := range o.final.Topics {
		messages += t.Messages
		bytes += t.Bytes
	}
	var lines []string
	say := func(what, format string, a ...any) {
		lines = append(lines, fmt.Sprintf("  %-10s ", what)+fmt.Sprintf(format, a...))
	}
	g := o.final.Sizes
	verdict := ""
	if err != nil {
		verdict = "FAILED after "
	}
	lines = append(lines, fmt.Sprintf("shmbus demo: %s%.1f s, %s, one bus of %s slots × %d B (%s)", verdict, o.ran.Seconds(),
		processes(len(d.children)), exact(uint64(g.Slots)), g.SlotSize, bytesOf(uint64(o.final.Sizes.Segment))))
	say("messages", "%s published, %s/s, %s", exact(messages), count(uint64(float64(messages)/max(o.ran.Seconds(), 0.001))), bytesOf(bytes))
	recorder, watcher, slow := d.roles["recorder"], d.roles["watcher"], d.roles["slow"]
	if recorder == nil || watcher == nil || slow == nil {
		return lines
	}
	for _, r := range []struct {
		name string
		*role
	}{{"watcher", watcher}, {"recorder", recorder}} {
		if h := &r.whole; h.n > 0 {
			say("latency", "p50 %s  p99 %s  p99.9 %s  max %s  (%s, %s)", short(h.quantile(0.5)), short(h.quantile(0.99)),
				short(h.quantile(0.999)), short(h.max), r.name, exact(h.n))
		}
	}
	say("reliable", "recorder received %s of %s, %s in %d streams", exact(recorder.last.Received), exact(hostMessages(o.final)),
		gaps(recorder.last.Gaps), recorder.last.Streams)
	s := slow.last
	account := "that does NOT ADD UP"
	if s.First+s.Slots+s.Lost == s.Next {
		account = "adds up"
	}
	say("lossy", "slow received %s and lost %s of %s positions: %s", exact(s.Slots), exact(s.Lost), exact(s.Next-s.First), account)
	f := o.file
	switch {
	case f.identical:
		say("file", "%s lines, %s of %s: identical", exact(uint64(f.lines)), bytesOf(uint64(f.bytes)), list(d.corpus.from))
	case o.fileDone:
		say("file", "DIFFERS after line %s of %s", exact(uint64(f.lines)), exact(uint64(d.corpus.lines)))
	default:
		say("file", "not finished: identical up to line %s of %s", exact(uint64(f.lines)), exact(uint64(d.corpus.lines)))
	}
	if len(o.deaths) > 0 {
		say("deaths", "%d, noticed: %s", o.final.Deaths, strings.Join(o.deaths, ", "))
	}
	if o.audited && o.books.Balanced() {
		say("books", "%s in the ring + %s owned = %s slots", exact(uint64(o.books.Ring)), exact(uint64(o.books.Owned+o.books.Unsettled)), exact(uint64(o.books.Total)))
	}
	if o.left == nil {
		say("left", "nothing: no process, no bus, no file")
	} else {
		say("left", "%v", o.left)
	}
	return lines
}

func gaps(n uint64) string {
	if n == 0 {
		return "no gap"
	}
	return plural(int(n), "gap")
}

// hostMessages counts what was published on host.>.
func hostMessages(s bus.Snapshot) uint64 {
	var n uint64
	for _, t := range s.Topics {
		if strings.HasPrefix(t.Name, "host.") {
			n += t.Messages
		}
	}
	return n
}
