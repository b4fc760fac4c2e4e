package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"shmbus/test/bench/host"
	"shmbus/test/bench/plot"
	"shmbus/test/bench/tables"
)

type namedChart struct {
	name  string
	chart plot.Chart
}

// chartsOf returns the charts that there are results for.
func chartsOf(r results) (charts []namedChart) {
	for _, make := range []func(results) namedChart{bySize, byPublishers, bySubscribers, bySleepers, byRing, spinning, sleeping, others} {
		if c := make(r); len(c.chart.Series) > 0 {
			charts = append(charts, c)
		}
	}
	return charts
}

// rowsOf returns the rows of a table in the class that most of its rounds were in, and which class
// that is. Classes are not mixed, and noisy rows left out.
func (r results) rowsOf(table string) (rows []tables.Row, class host.Class) {
	rounds := map[host.Class]int{}
	for _, t := range r.Tables {
		if t.Name == table {
			rows = t.Rows
		}
	}
	for _, row := range rows {
		if rounds[row.Class] += row.Rounds; rounds[row.Class] > rounds[class] {
			class = row.Class
		}
	}
	return slices.DeleteFunc(slices.Clone(rows), func(row tables.Row) bool { return row.Class != class || row.Noisy != "" }), class
}

func (r results) subtitle(class host.Class) string {
	return fmt.Sprintf("%s, class %s; medians, lowest and highest of up to %d rounds", r.Host.Model, class, r.Rounds)
}

// colors are those of contenders, in every chart.
var colors = map[string]string{
	"shmbus": "#0072B2", "C ring": "#000000", "cache line": "#999999", "memcpy": "#999999", "pipe": "#E69F00", "semop": "#000000", "futex": "#009E73",
	"unix": "#CC79A7", "nats": "#D55E00", "native/zeromq": "#882255", "native/boost": "#44AA99", "sysvmsg": "#999933", "native/nng": "#56B4E9",
}

// column returns a line through the figures of one column, by a parameter.
func column(rows []tables.Row, param, column string, which func(tables.Row) bool) (points []plot.Point) {
	for _, row := range rows {
		x, ok := row.Params[param].(float64)
		if !ok || which != nil && !which(row) {
			continue
		}
		for _, f := range row.Figures {
			if f.Column == column && f.Skipped == "" {
				points = append(points, plot.Point{X: x, Y: f.Median, Low: f.Min, High: f.Max})
			}
		}
	}
	slices.SortStableFunc(points, func(a, b plot.Point) int { return cmp.Compare(a.X, b.X) })
	return points
}

// with appends a series, if it has points.
func with(all []plot.Series, name, color string, dashed bool, points []plot.Point) []plot.Series {
	if len(points) == 0 {
		return all
	}
	return append(all, plot.Series{Name: name, Color: color, Dashed: dashed, Points: points})
}

// scaled formats a round number with a prefix.
func scaled(units ...string) func(float64) string {
	return func(v float64) string {
		i := 0
		for ; i < len(units)-1 && v >= 1000; i++ {
			v /= 1000
		}
		return strings.TrimSpace(fmt.Sprintf("%.4g %s", v, units[i]))
	}
}

var (
	rate = plot.Axis{Label: "messages per second", Format: scaled("", "k", "M", "G")}
	took = plot.Axis{Label: "time of a round trip", Log: true, Format: scaled("ns", "µs", "ms", "s")}
)

// counts is an axis of powers of two.
func counts(label string, format func(int) string) plot.Axis {
	a := plot.Axis{Label: label, Log: true}
	for n := 1; n <= 1<<30; n *= 2 {
		a.Ticks = append(a.Ticks, plot.Tick{At: float64(n), Label: format(n)})
	}
	return a
}

// every returns only each nth tick.
func every(a plot.Axis, n int) plot.Axis {
	var ticks []plot.Tick
	for i := 0; i < len(a.Ticks); i += n {
		ticks = append(ticks, a.Ticks[i])
	}
	a.Ticks = ticks
	return a
}

func plain(n int) string { return fmt.Sprint(n) }

func bySize(r results) namedChart {
	rows, class := r.rowsOf("oneway")
	number := func(row tables.Row, key string) float64 { v, _ := row.Params[key].(float64); return v }
	byDefault := func(row tables.Row) bool { return row.Params["slots"] == nil }
	single := func(row tables.Row) bool { return number(row, "batch") <= 1 && byDefault(row) }
	whole := func(row tables.Row) bool { return number(row, "slotsize") > number(row, "size") && single(row) }
	fragments := func(row tables.Row) bool { return number(row, "slotsize") <= number(row, "size") }
	batches := func(row tables.Row) bool { return number(row, "batch") > 1 }
	c := plot.Chart{
		Title: "One way, by the size of messages", Subtitle: r.subtitle(class),
		X: every(counts("size of a message", tables.Bytes), 2), Y: rate,
	}
	c.Y.Log = true
	c.Series = with(c.Series, "C ring", colors["C ring"], false, column(rows, "size", "C ring", whole))
	c.Series = with(c.Series, "memcpy alone", colors["memcpy"], false, column(rows, "size", "memcpy", whole))
	c.Series = with(c.Series, "shmbus", colors["shmbus"], false, column(rows, "size", "shmbus", whole))
	c.Series = with(c.Series, "shmbus, fragments", colors["shmbus"], true, column(rows, "size", "shmbus", fragments))
	c.Series = with(c.Series, "shmbus, batches of 64", "#56B4E9", true, column(rows, "size", "shmbus", batches))
	c.Series = with(c.Series, "pipe", colors["pipe"], false, column(rows, "size", "pipe", whole))
	return namedChart{"throughput-by-size", c}
}

// grouped draws a line of the column shmbus for each value of a parameter, with the point for one
// from the column single.
func grouped(r results, table, param, group, single string, groups map[string]string, order []string) (series []plot.Series, class host.Class) {
	rows, class := r.rowsOf(table)
	for i, g := range order {
		of := func(row tables.Row) bool { return row.Params[group] == g }
		points := column(rows, param, "shmbus", of)
		// That of one was measured beside each.
		if ones := column(rows, param, single, of); len(ones) > 0 {
			slices.SortFunc(ones, func(a, b plot.Point) int { return cmp.Compare(a.Y, b.Y) })
			one := ones[len(ones)/2]
			one.X = 1
			points = append([]plot.Point{one}, points...)
		}
		series = with(series, groups[g], []string{"#0072B2", "#D55E00"}[i%2], false, points)
	}
	return series, class
}

func byPublishers(r results) namedChart {
	series, class := grouped(r, "fanin", "publishers", "to", "1 publisher",
		map[string]string{"nobody": "no subscriber", "one subscriber": "1 reliable subscriber"}, []string{"nobody", "one subscriber"})
	return namedChart{"throughput-by-publishers", plot.Chart{
		Title: "Several publishers on two processors, 48 bytes", Subtitle: r.subtitle(class),
		X: counts("publishers", plain), Y: rate, Series: series,
	}}
}

func bySubscribers(r results) namedChart {
	series, class := grouped(r, "fanout", "subscribers", "policy", "1 to 1",
		map[string]string{"reliable": "reliable", "lossy": "lossy: what arrives"}, []string{"reliable", "lossy"})
	return namedChart{"throughput-by-subscribers", plot.Chart{
		Title: "One publisher, messages received by all together, 48 bytes", Subtitle: r.subtitle(class),
		X: counts("subscribers, which share a processor", plain), Y: rate, Series: series,
	}}
}

func bySleepers(r results) namedChart {
	rows, class := r.rowsOf("asleep")
	c := plot.Chart{
		Title: "Publishing while subscribers of other topics sleep, 48 bytes", Subtitle: r.subtitle(class),
		X: plot.Axis{Label: "subscribers asleep", Log: true, Ticks: []plot.Tick{{At: 1, Label: "1"}, {At: 4, Label: "4"}, {At: 16, Label: "16"}, {At: 64, Label: "64"}, {At: 256, Label: "256"}, {At: 1000, Label: "1000"}}},
		Y: plot.Axis{Label: "publisher's processor time per message", Format: scaled("ns", "µs")},
	}
	c.Series = with(c.Series, "shmbus", colors["shmbus"], false, column(rows, "asleep", "shmbus", nil))
	c.Series = with(c.Series, "none asleep", colors["memcpy"], true, column(rows, "asleep", "none asleep", nil))
	return namedChart{"publishing-by-sleepers", c}
}

func byRing(r results) namedChart {
	rows, class := r.rowsOf("slots")
	c := plot.Chart{
		Title: "One way, by the size of the ring, 48 bytes", Subtitle: r.subtitle(class),
		X: every(counts("messages that the ring holds", plain), 2), Y: rate,
	}
	c.Series = with(c.Series, "shmbus", colors["shmbus"], false, column(rows, "slots", "shmbus", nil))
	return namedChart{"throughput-by-ring", c}
}

// nines is an axis on which each further nine of a percentile is as far from the one before: the
// value is 1/(1-p).
var nines = plot.Axis{Label: "percentile of round trips, %", Log: true, Ticks: []plot.Tick{
	{At: 2, Label: "50"}, {At: 4, Label: "75"}, {At: 10, Label: "90"}, {At: 100, Label: "99"}, {At: 1000, Label: "99.9"}, {At: 10000, Label: "99.99"},
}}

// percentiles leaves out what is of so few round trips that it is chance.
func percentiles(d tables.Distribution) (points []plot.Point) {
	for _, p := range d.Points {
		if above := float64(d.Count) * (1 - p.Percent/100); p.Percent > 0 && above >= 10 {
			points = append(points, plot.Point{X: 1 / (1 - p.Percent/100), Y: float64(p.Value)})
		}
	}
	return points
}

// latency is a chart of the distributions of a table. label names a row's distribution, or leaves
// it out.
func latency(r results, table, title, name string, label func(row tables.Row, of string) (text, contender string)) namedChart {
	rows, class := r.rowsOf(table)
	c := plot.Chart{
		Title:    title,
		Subtitle: fmt.Sprintf("%s, class %s; all rounds together", r.Host.Model, class),
		X:        nines,
		Y:        took,
	}
	seen := map[string]int{} // series of a contender
	for _, row := range rows {
		for _, d := range row.Distributions {
			text, contender := label(row, d.Of)
			if text == "" || slices.ContainsFunc(c.Series, func(s plot.Series) bool { return s.Name == text }) {
				continue
			}
			c.Series = with(c.Series, text, colors[contender], seen[contender] > 0, percentiles(d))
			seen[contender]++
		}
	}
	slices.SortStableFunc(c.Series, func(a, b plot.Series) int { return cmp.Compare(middle(b), middle(a)) })
	return namedChart{name, c}
}

// middle is a median, or the percentile next to it.
func middle(s plot.Series) float64 { return s.Points[min(2, len(s.Points)-1)].Y }

func ofWait(row tables.Row, of string) (string, string) {
	if of == "shmbus" {
		return fmt.Sprintf("shmbus, %v", row.Params["wait"]), of
	}
	return of, of
}

func spinning(r results) namedChart {
	return latency(r, "spinning", "Round trip, both sides spinning, 48 bytes", "roundtrip-spinning", ofWait)
}

func sleeping(r results) namedChart {
	return latency(r, "sleeping", "Round trip, both sides asleep, 48 bytes", "roundtrip-sleeping", ofWait)
}

func others(r results) namedChart {
	return latency(r, "others-roundtrip", "Round trip of 48 bytes, each as it waits by default", "roundtrip-others", func(row tables.Row, of string) (string, string) {
		if of == "shmbus" {
			return of, of
		}
		name, _ := row.Params["contender"].(string)
		if row.Params["size"] != 48.0 || colors[name] == "" {
			return "", ""
		}
		return strings.TrimPrefix(name, "native/"), name
	})
}
