//go:build linux

package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"shmbus/internal/fault"
)

// A tally is what happened in all rounds.
type tally struct {
	started, joins, leaves         int
	external, self, busdKills      int
	stops, selfStops, calms        int
	points, passed                 map[fault.Point]int
	verified, losses, lost         uint64
	evicted                        uint64
	deaths, matched                int
	unreported                     int
	reclaimed, evictions           uint64
	with, without                  []time.Duration
	slots, balanced                int
	messages, fragments, abandoned uint64      // by the auditors
	spans                          [][2]uint64 // first and last position of each round
	stood                          time.Duration
}

func newTally() tally {
	return tally{points: make(map[fault.Point]int), passed: make(map[fault.Point]int)}
}

func (t *tally) kills() int { return t.external + t.self }

// point counts a process that killed itself.
func (t *tally) point(p fault.Point) {
	t.self++
	t.points[p]++
}

// sum adds what the auditor of a round has counted.
func (t *tally) sum(a *auditor) {
	t.messages += a.messages.Load()
	t.fragments += a.fragments.Load()
	t.abandoned += a.abandoned.Load()
	longest, _ := a.stand.read(time.Now())
	t.stood = max(t.stood, longest)
	t.spans = append(t.spans, [2]uint64{a.first, a.truth.head.Load()})
}

func (t *tally) note(e event) {
	switch e.kind {
	case evDeliver:
		t.verified++
	case evEvicted:
		t.evicted++
		t.lost += e.c
	case evLoss:
		t.losses++
		t.lost += e.c
	}
}

// report writes one screen about the run.
func (r *run) report(w io.Writer) {
	t := &r.tally
	took := time.Since(r.began)
	var spans []string
	for _, p := range t.spans {
		spans = append(spans, fmt.Sprintf("%d to %d%s", p[0], p[1], crossed(p[0], p[1], r.slots)))
	}
	per := func(n uint64) float64 { return float64(n) / took.Seconds() }
	line := func(name, format string, a ...any) { fmt.Fprintf(w, "%-12s %s\n", name, fmt.Sprintf(format, a...)) }
	line("seed", "%d, faults %v", r.seed, fault.Enabled)
	line("duration", "%v in %d rounds, positions %s", took.Round(100*time.Millisecond), len(t.spans), strings.Join(spans, "; "))
	line("processes", "%d started, %d joins, %d leaves", t.started, t.joins, t.leaves)
	line("kills", "%d: %d by themselves at %d of %d points, %d from outside, %d of busd among them", t.kills(), t.self, len(t.points),
		len(fault.Points()), t.external, t.busdKills)
	line("stops", "%d from outside, %d by themselves; %d calms", t.stops, t.selfStops, t.calms)
	line("published", "%d messages (%.0f/s), %d fragments, of which %d of frames that were given up", t.messages, per(t.messages), t.fragments, t.abandoned)
	line("verified", "%d deliveries (%.0f/s)", t.verified, per(t.verified))
	line("losses", "%d of %d positions, each accounted for; %d gates released, %d evictions seen", t.losses, t.lost, t.evictions, t.evicted)
	line("deaths", "%d counted by the bus, %d reported by the watcher, %d not; %d records reclaimed", t.deaths, t.matched, t.unreported, t.reclaimed)
	for _, d := range []struct {
		name string
		list []time.Duration
	}{{"with busd", t.with}, {"without", t.without}} {
		p50, p99, most := quantiles(d.list)
		line(d.name, "death to report p50 %v, p99 %v, max %v (%d)", p50.Round(time.Microsecond), p99.Round(time.Microsecond), most.Round(time.Microsecond), len(d.list))
	}
	line("standstill", "%v at most without a publish", t.stood.Round(10*time.Microsecond))
	line("slots", "%d/%d balanced", t.balanced, t.slots)
	if fault.Enabled {
		fmt.Fprintln(w, "deaths at each point, and from outside with it as the last one passed:")
		columns(w, t.points, t.passed)
	}
	line("violations", "%d", r.verdict.count())
	if r.verdict.failed() {
		fmt.Fprintf(w, "to repeat:   go run -tags faults ./test/chaos -kills %d -duration %v -seed %d\n", r.kills, r.duration, r.seed)
	}
}

// crossed says which counters wrapped.
func crossed(from, to uint64, slots int) string {
	var s string
	if lap := uint64(slots) << 32; from/lap != to/lap {
		s = " (laps wrapped)"
	}
	if from>>46 != to>>46 {
		s = " (laps and wake words wrapped)"
	}
	return s
}

// columns writes points with two counts, ordered by the first.
func columns(w io.Writer, at, passed map[fault.Point]int) {
	const across = 4
	var keys []fault.Point
	for _, p := range fault.Points() {
		if at[p]+passed[p] > 0 {
			keys = append(keys, p)
		}
	}
	slices.SortStableFunc(keys, func(a, b fault.Point) int { return cmp.Compare(at[b], at[a]) })
	rows := (len(keys) + across - 1) / across
	for i := range rows {
		for j := i; j < len(keys); j += rows {
			fmt.Fprintf(w, "  %-22s%5d %-5d", keys[j], at[keys[j]], passed[keys[j]])
		}
		fmt.Fprintln(w)
	}
}
