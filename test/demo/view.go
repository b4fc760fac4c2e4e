//go:build linux

package main

import (
	"slices"
	"strings"
	"time"

	"shmbus/bus"
)

// A view is all that a frame shows.
type view struct {
	elapsed, duration time.Duration

	bus                  bus.Snapshot
	processes            int
	busd                 int // pid, 0 while it is dead
	rate, byteRate, post float64

	topics      []topicRow
	subscribers []subscriberRow

	fileLines, fileReceived int
	events                  []event
}

// topicRow is a topic and who publishes on it.
type topicRow struct {
	name  string
	pids  []int
	rate  float64
	total uint64
}

// subscriberRow is a subscriber.
type subscriberRow struct {
	name, pattern, policy string
	pid                   int
	rate                  float64
	received, lag, lost   uint64
	sleeps                uint64
	state                 state
	measured              bool // the rest is known
	p50, p99, max         time.Duration
	spread                [histogramRows]uint64 // below spreadFrom, below twice that, …, and the rest
}

// spreadFrom is the first bound of a spread.
const spreadFrom = 16 * time.Microsecond

type state uint8

const (
	running state = iota
	asleep        // and nothing came for it
	paused
	stopped
	dead
	done // and gone
)

// view is called with the lock held.
func (d *demo) view(s bus.Snapshot) view {
	r := d.tracker.rates()
	v := view{
		elapsed: min(time.Since(d.start), d.o.duration), duration: d.o.duration,
		bus: s, rate: r.messages, byteRate: r.bytes, post: r.posts,
		fileLines: d.corpus.lines, events: slices.Clone(d.events),
	}
	for _, c := range d.children {
		if c.Running() {
			v.processes++
		}
	}
	for _, c := range s.Clients {
		if c.Daemon && c.Alive {
			v.busd = c.Pid
		}
	}
	for _, t := range s.Topics {
		row := topicRow{name: t.Name, rate: r.topics[t.Name], total: t.Messages}
		for _, p := range s.Publishers {
			if p.Topic == t.Name && p.Alive {
				row.pids = append(row.pids, p.Pid)
			}
		}
		v.topics = append(v.topics, row)
	}
	slices.SortFunc(v.topics, func(a, b topicRow) int { return strings.Compare(a.name, b.name) })
	for _, sub := range s.Subscribers {
		v.subscribers = append(v.subscribers, d.subscriberRow(sub, r))
	}
	if c := d.current["bussub"]; c != nil && !c.Running() {
		v.subscribers = slices.DeleteFunc(v.subscribers, func(s subscriberRow) bool { return s.name == "bussub" })
		v.subscribers = append(v.subscribers, subscriberRow{
			name: "bussub", pattern: "file.>", policy: "reliable", received: uint64(d.corpus.lines), state: done,
		})
	}
	for _, sub := range v.subscribers {
		if sub.name == "bussub" {
			v.fileReceived = int(sub.received)
		}
	}
	order := []string{"recorder", "watcher", "slow", "sleeper", "bussub"}
	slices.SortStableFunc(v.subscribers, func(a, b subscriberRow) int {
		return slices.Index(order, a.name) - slices.Index(order, b.name)
	})
	return v
}

func (d *demo) subscriberRow(sub bus.SubscriberStatus, r rates) subscriberRow {
	row := subscriberRow{
		name: sub.Name, pid: sub.Pid, pattern: sub.Pattern, policy: sub.Policy,
		rate: r.subs[[2]int{sub.Index, sub.Pid}], received: sub.Received, lag: sub.Lag, lost: sub.Lost, sleeps: sub.Sleeps,
	}
	switch c := d.current[sub.Name]; {
	case !sub.Alive:
		row.state = dead
	case c != nil && c.stopped.Load():
		row.state = stopped
	case row.rate == 0 && sub.Asleep:
		row.state = asleep
	}
	if role := d.roles[sub.Name]; role != nil {
		if role.last.Paused {
			row.state = paused
		}
		var h histogram
		for _, l := range role.recent {
			h.merge(l)
		}
		if row.measured = h.n > 0; row.measured {
			row.p50, row.p99, row.max = h.quantile(0.5), h.quantile(0.99), h.max
			row.spread = h.spread()
		}
	}
	return row
}

// lost adds up what all lost.
func (v *view) lost() uint64 {
	var n uint64
	for _, s := range v.subscribers {
		n += s.lost
	}
	return n
}

// latency returns the row whose latencies stand for the bus: the one that only waits and receives.
func (v *view) latency() (subscriberRow, bool) {
	for _, s := range v.subscribers {
		if s.name == "watcher" && s.measured {
			return s, true
		}
	}
	return subscriberRow{}, false
}

// spread counts by powers of two.
func (h *histogram) spread() (out [histogramRows]uint64) {
	for b, n := range h.counts {
		i := 0
		for i < len(out)-1 && upper(b) >= spreadFrom<<i {
			i++
		}
		out[i] += n
	}
	return out
}
