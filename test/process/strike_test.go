//go:build linux && faults

package process

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"shmbus/internal/fault"
)

// strikes is what happened at all points.
type strikes []strike

// A strike is what happened at a point, and how the others fared.
type strike struct {
	point          fault.Point
	action         string
	scenario       string
	fired          bool
	before, during float64 // messages a second of the others
}

// summary says in one screen what was done at how many points, and how the others fared.
func (all strikes) summary(took time.Duration) string {
	var b strings.Builder
	type line struct {
		points map[fault.Point]bool
		fired  map[string]int
		missed int
		ratios []float64
	}
	lines := map[string]*line{}
	var order []string
	total := map[string]int{}
	var ratios []float64
	for _, o := range all {
		l := lines[o.scenario]
		if l == nil {
			l = &line{points: map[fault.Point]bool{}, fired: map[string]int{}}
			lines[o.scenario] = l
			order = append(order, o.scenario)
		}
		if !o.fired {
			l.missed++
			continue
		}
		l.points[o.point] = true
		l.fired[o.action]++
		total[o.action]++
		l.ratios = append(l.ratios, o.during/o.before)
		ratios = append(ratios, o.during/o.before)
	}
	fmt.Fprintf(&b, "%-30s %6s %6s %6s %6s %7s   others' rate, during / before\n", "victim", "points", "kill", "stop", "stall", "missed")
	for _, name := range order {
		l := lines[name]
		fmt.Fprintf(&b, "%-30s %6d %6d %6d %6d %7d   %s\n", name, len(l.points), l.fired["kill"], l.fired["stop"], l.fired["stall"], l.missed, spread(l.ratios))
	}
	points := map[fault.Point]bool{}
	for _, o := range all {
		if o.fired {
			points[o.point] = true
		}
	}
	fmt.Fprintf(&b, "%-30s %6d %6d %6d %6d %7s   %s\n", "all", len(points), total["kill"], total["stop"], total["stall"], "", spread(ratios))
	fmt.Fprintf(&b, "%d points in the code, %d struck; %v\n", len(fault.Points()), len(points), took.Round(time.Second))
	return b.String()
}

func spread(list []float64) string {
	if len(list) == 0 {
		return "none"
	}
	s := slices.Sorted(slices.Values(list))
	at := func(q float64) float64 { return s[int(q*float64(len(s)-1))] }
	return fmt.Sprintf("10%% %.2f, median %.2f, 90%% %.2f", at(0.1), at(0.5), at(0.9))
}
