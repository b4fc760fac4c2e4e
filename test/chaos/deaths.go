//go:build linux

package main

import (
	"slices"
	"time"
)

// obituaries compares the deaths that there were with those that the watcher reports. Either may
// come first.
type obituaries struct {
	open    map[int]obituary      // by pid: dead and not reported
	early   map[int]time.Duration // by pid: reported and not known to be dead
	with    []time.Duration       // from SIGKILL to the report, with busd alive
	without []time.Duration
	matched int
}

type obituary struct {
	killed  time.Duration // 0: killed itself, nobody knows when exactly
	busd    bool
	perhaps bool // it may not have been a client
}

func (o *obituaries) died(pid int, killed time.Duration, busd bool) {
	o.add(pid, obituary{killed: killed, busd: busd})
}

func (o *obituaries) perhaps(pid int) { o.add(pid, obituary{perhaps: true}) }

func (o *obituaries) add(pid int, d obituary) {
	if o.open == nil {
		o.open, o.early = make(map[int]obituary), make(map[int]time.Duration)
	}
	o.open[pid] = d
	if at, ok := o.early[pid]; ok {
		delete(o.early, pid)
		o.reported(pid, at)
	}
}

func (o *obituaries) reported(pid int, at time.Duration) {
	d, ok := o.open[pid]
	if !ok {
		if o.early == nil {
			o.open, o.early = make(map[int]obituary), make(map[int]time.Duration)
		}
		o.early[pid] = at
		return
	}
	delete(o.open, pid)
	o.matched++
	if d.killed == 0 || d.perhaps {
		return
	}
	if d.busd {
		o.with = append(o.with, at-d.killed)
	} else {
		o.without = append(o.without, at-d.killed)
	}
}

// missing counts the deaths of clients that were not reported.
func (o *obituaries) missing() int {
	n := 0
	for _, d := range o.open {
		if !d.perhaps {
			n++
		}
	}
	return n
}

// quantiles returns the median, the 99th percentile and the largest.
func quantiles(list []time.Duration) (p50, p99, most time.Duration) {
	if len(list) == 0 {
		return 0, 0, 0
	}
	s := slices.Sorted(slices.Values(list))
	at := func(q float64) time.Duration { return s[int(q*float64(len(s)-1))] }
	return at(0.5), at(0.99), at(1)
}
