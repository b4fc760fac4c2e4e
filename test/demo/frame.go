//go:build linux

package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	tiniest       = 8  // rows, below which there is a line only
	topicCell     = 37 // cells that a topic takes
	maxWidth      = 132
	fewEvents     = 3
	manyEvents    = 9
	histogramRows = 8
)

// A painter makes the lines of a frame.
type painter struct {
	view
	look  look
	width int
	lines []string
}

// frame returns at most h lines of at most w-1 cells: a terminal that has written its last column
// is in a state of its own.
func frame(v view, w, h int, k look) []string {
	p := &painter{view: v, look: k, width: max(min(w, maxWidth)-1, 1)}
	if h < tiniest || w < 32 {
		p.line(func(l *line) { l.put(plain, strings.TrimSpace(statusLine(v))) })
		return p.lines
	}
	p.title()
	p.state()
	p.ring()
	gap := h >= 22
	p.space(gap)
	// The layout is the same from the first frame to the last: events get their place before they
	// happen.
	rest := h - len(p.lines) - 2*b2i(gap)
	subs := 0
	if rest >= 14 {
		subs = len(v.subscribers) + 2
		rest -= subs
	}
	events := min(fewEvents, rest/2)
	p.topics(rest - events)
	p.space(gap)
	if subs > 0 {
		p.subscribers()
		p.file()
		p.space(gap)
	}
	if h-len(p.lines) >= manyEvents+histogramRows+2 {
		p.histogram()
		p.space(true)
	}
	p.events(h - len(p.lines))
	return p.lines
}

func (p *painter) line(f func(*line)) {
	l := &line{look: p.look, width: p.width}
	f(l)
	p.lines = append(p.lines, strings.TrimRight(l.b.String(), " "))
}

func (p *painter) space(wanted bool) {
	if wanted {
		p.lines = append(p.lines, "")
	}
}

func (p *painter) title() {
	p.line(func(l *line) {
		g := p.bus.Sizes
		l.put(bold, " shmbus")
		if l.width >= 40 {
			l.put(plain, "  bus "+p.bus.Name)
		}
		if l.width >= 76 {
			l.put(dim, fmt.Sprintf("  %s slots × %d B, %s", exact(uint64(g.Slots)), g.SlotSize, bytesOf(uint64(p.bus.Sizes.Segment))))
		}
		clock := fmt.Sprintf("%.1f of %.0f s ", p.elapsed.Seconds(), p.duration.Seconds())
		if bar := min(24, l.room()-len(clock)-3); bar > 4 {
			l.to(l.width - bar - len(clock) - 1)
			l.bar(cyan, bar, p.elapsed.Seconds()/p.duration.Seconds())
		}
		l.right(plain, l.width, clock)
	})
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// bar draws how much of something is done.
func (l *line) bar(st style, cells int, part float64) {
	done := min(max(int(math.Round(float64(cells)*part)), 0), cells)
	l.put(st, strings.Repeat("━", done))
	l.put(dim, strings.Repeat("─", cells-done))
}

// state is the line about the daemon and the processes.
func (p *painter) state() {
	p.line(func(l *line) {
		l.put(dim, " busd  ")
		if p.busd > 0 {
			l.put(green, "● ")
			l.put(plain, fmt.Sprintf("%-7d", p.busd))
		} else {
			l.put(red, "○ dead   ")
		}
		if l.width >= 60 {
			l.put(dim, "  "+processes(p.processes))
		}
		l.put(dim, "  deaths ")
		st := plain
		if p.bus.Deaths > 0 {
			st = red
		}
		l.put(st, exact(p.bus.Deaths))
		if wakes := fmt.Sprintf("wake-ups %s/s ", exact(uint64(p.post))); len(wakes)+2 < l.room() {
			l.right(dim, l.width, wakes)
		}
	})
}

// ring draws the ring by lag: its right end is the newest message.
func (p *painter) ring() {
	p.line(func(l *line) {
		n := p.bus.Sizes.Slots
		l.put(dim, " ring  ")
		tail := fmt.Sprintf(" backlog %3.0f%%  %7s/s  %s/s ", 100*p.bus.Backlog, count(uint64(p.rate)), bytesOf(uint64(p.byteRate)))
		if l.width < 60 {
			tail = fmt.Sprintf(" %3.0f%%", 100*p.bus.Backlog)
		}
		cells := l.room() - max(utf8.RuneCountInString(tail), 32*b2i(l.width >= 60)) - 2
		if cells < 4 || n == 0 {
			l.put(plain, tail)
			return
		}
		marks := map[int]style{}
		lapped := false
		for _, s := range p.view.subscribers {
			if s.policy != "lossy" || s.state == asleep {
				continue
			}
			if s.lag > uint64(n) {
				lapped = true
			} else if cell := cells - 1 - int(s.lag*uint64(cells)/uint64(n+1)); cell < cells-1 {
				marks[cell] = yellow
			}
		}
		full := int(math.Round(p.bus.Backlog * float64(cells)))
		edge := "▏"
		if lapped {
			edge = "◀"
		}
		l.put(yellow[:len(yellow)*b2i(lapped)], edge)
		for i := range cells {
			switch st, ok := marks[i]; {
			case ok:
				l.put(st, "◆")
			case i >= cells-full:
				l.put(fillStyle(p.bus.Backlog), "█")
			default:
				l.put(dim, "·")
			}
		}
		l.put(plain, "▕")
		l.right(plain, l.width, tail)
	})
}

func fillStyle(fill float64) style {
	switch {
	case fill > 0.9:
		return red
	case fill > 0.5:
		return yellow
	}
	return green
}

// topics lists topics, with who publishes on them, in as many columns as fit.
func (p *painter) topics(rows int) {
	columns := max(p.width/topicCell, 1)
	cell := p.width / columns
	p.line(func(l *line) {
		for i := range min(columns, max(len(p.view.topics), 1)) {
			l.to(i * cell)
			l.put(bold, " "+cut("TOPIC", cell-2))
			if cell >= topicCell-8 {
				l.right(dim, i*cell+cell-12, "publisher")
			}
			l.right(dim, i*cell+cell-2, "msg/s")
		}
	})
	rows--
	if rows < 1 {
		return
	}
	shown, hidden := p.view.topics, 0
	if len(shown) > rows*columns {
		// Topics on which nobody publishes any more go first.
		shown = slices.DeleteFunc(slices.Clone(shown), func(t topicRow) bool { return len(t.pids) == 0 && t.rate == 0 })
	}
	if len(shown) > rows*columns {
		hidden = len(shown) - rows*columns + 1
		shown = shown[:len(shown)-hidden]
	}
	height := (len(shown) + b2i(hidden > 0) + columns - 1) / columns
	for r := range height {
		p.line(func(l *line) {
			for c := range columns {
				l.to(c * cell)
				switch i := c*height + r; {
				case i < len(shown):
					p.topic(l, shown[i], c*cell, cell)
				case i == len(shown) && hidden > 0:
					l.put(dim, fmt.Sprintf(" and %d more", hidden))
				}
			}
		})
	}
}

func (p *painter) topic(l *line, t topicRow, from, cell int) {
	l.put(plain, " "+cut(t.name, cell-22))
	who, st := "-", dim
	switch {
	case len(t.pids) == 1:
		who, st = strconv.Itoa(t.pids[0]), plain
	case len(t.pids) > 1:
		who, st = fmt.Sprintf("%d pids", len(t.pids)), plain
	}
	if cell >= topicCell-8 {
		l.right(st, from+cell-12, who)
	}
	rate := count(uint64(math.Round(t.rate)))
	st = plain
	if t.rate == 0 {
		rate, st = "-", dim
	}
	l.right(st, from+cell-2, rate)
}

// A column of the table of subscribers.
type column struct {
	head  string
	width int
	left  bool
	rank  int // of what to leave out first, the highest
	cell  func(s subscriberRow) (style, string)
}

func latencyCell(d func(subscriberRow) time.Duration) func(subscriberRow) (style, string) {
	return func(s subscriberRow) (style, string) {
		if !s.measured {
			return dim, "-"
		}
		return plain, short(d(s))
	}
}

var subscriberColumns = []column{
	{"SUBSCRIBER", 10, true, 0, func(s subscriberRow) (style, string) { return plain, s.name }},
	{"pid", 7, false, 2, func(s subscriberRow) (style, string) {
		if s.state == done {
			return dim, "-"
		}
		return plain, strconv.Itoa(s.pid)
	}},
	{"pattern", 10, true, 3, func(s subscriberRow) (style, string) { return plain, s.pattern }},
	{"policy", 8, true, 4, func(s subscriberRow) (style, string) { return plain, s.policy }},
	{"msg/s", 7, false, 0, func(s subscriberRow) (style, string) {
		switch s.state {
		case asleep:
			return dim, "asleep"
		case paused:
			return yellow, "paused"
		case stopped:
			return yellow, "stopped"
		case dead:
			return red, "dead"
		case done:
			return dim, "done"
		}
		return plain, count(uint64(math.Round(s.rate)))
	}},
	{"messages", 8, false, 7, func(s subscriberRow) (style, string) { return plain, count(s.received) }},
	{"sleeps", 7, false, 8, func(s subscriberRow) (style, string) { return plain, count(s.sleeps) }},
	{"lag", 6, false, 0, func(s subscriberRow) (style, string) {
		switch {
		case s.state == asleep || s.state == done:
			return dim, "-"
		case s.lag > slots:
			return yellow, count(s.lag)
		}
		return plain, count(s.lag)
	}},
	{"lost", 6, false, 0, func(s subscriberRow) (style, string) {
		if s.lost == 0 {
			return dim, "0"
		}
		return yellow, count(s.lost)
	}},
	{"p50", 5, false, 1, latencyCell(func(s subscriberRow) time.Duration { return s.p50 })},
	{"p99", 5, false, 1, latencyCell(func(s subscriberRow) time.Duration { return s.p99 })},
	{"max", 5, false, 6, latencyCell(func(s subscriberRow) time.Duration { return s.max })},
}

// fitting leaves out columns until the table fits.
func fitting(columns []column, width int) []column {
	for {
		total, worst := 0, 0
		for _, c := range columns {
			total += c.width + 1
			worst = max(worst, c.rank)
		}
		if total <= width || worst == 0 {
			return columns
		}
		var kept []column
		for _, c := range columns {
			if c.rank < worst {
				kept = append(kept, c)
			}
		}
		columns = kept
	}
}

func (p *painter) subscribers() {
	columns := fitting(subscriberColumns, p.width)
	total := 0
	for _, c := range columns {
		total += c.width + 1
	}
	// What is left over goes between the columns.
	gap := 1 + min((p.width-total)/len(columns), 3)
	row := func(cell func(c column) (style, string)) {
		p.line(func(l *line) {
			at := 1
			for _, c := range columns {
				st, s := cell(c)
				if c.left {
					l.to(at)
					l.put(st, cut(s, c.width))
				} else {
					l.right(st, at+c.width, s)
				}
				at += c.width + gap
			}
		})
	}
	row(func(c column) (style, string) {
		if c.rank == 0 && c.left {
			return bold, c.head
		}
		return dim, c.head
	})
	for _, s := range p.view.subscribers {
		row(func(c column) (style, string) { return c.cell(s) })
	}
}

func (p *painter) file() {
	p.line(func(l *line) {
		l.put(dim, " file  ")
		what := fmt.Sprintf("buspub → bussub  %s of %s lines ", exact(uint64(p.fileReceived)), exact(uint64(p.fileLines)))
		l.put(plain, what)
		if bar := min(l.room()-2, 40); bar > 4 && p.fileLines > 0 {
			l.bar(green, bar, float64(p.fileReceived)/float64(p.fileLines))
		}
	})
}

// histogram draws how the latencies of the one that stands for the bus are spread.
func (p *painter) histogram() {
	s, _ := p.latency()
	p.line(func(l *line) {
		l.put(bold, " LATENCY")
		l.put(dim, fmt.Sprintf("  publish to receive, %s, the last %.0f s", s.name, (recentReports*reportEvery).Seconds()))
	})
	var total uint64
	for _, n := range s.spread {
		total += n
	}
	for i, n := range s.spread {
		p.line(func(l *line) {
			label := "< " + short(spreadFrom<<i)
			if i == len(s.spread)-1 {
				label = "≥ " + short(spreadFrom<<(i-1))
			}
			l.right(dim, 9, label)
			l.put(plain, " ")
			cells := l.room() - 20
			if n > 0 {
				l.put(cyan, strings.Repeat("█", max(int(float64(cells)*float64(n)/float64(total)), 1)))
			}
			if total > 0 {
				l.put(dim, " "+count(n))
			}
		})
	}
}

func (p *painter) events(rows int) {
	first := max(len(p.view.events)-rows, 0)
	for _, e := range p.view.events[first:] {
		p.line(func(l *line) {
			st := map[kind]style{note: cyan, good: green, bad: red}[e.kind]
			l.put(dim, fmt.Sprintf("%5.1f ", e.at.Seconds()))
			l.put(st, "● ")
			l.put(plain, cut(e.text, l.room()))
		})
	}
}

// statusLine says it all in a line.
func statusLine(v view) string {
	parts := []string{
		fmt.Sprintf("%5.1f s  %s msg/s", v.elapsed.Seconds(), count(uint64(v.rate))),
		bytesOf(uint64(v.byteRate)) + "/s",
		fmt.Sprintf("backlog %.0f%%", 100*v.bus.Backlog),
	}
	if s, ok := v.latency(); ok {
		parts = append(parts, fmt.Sprintf("p50 %s p99 %s max %s", short(s.p50), short(s.p99), short(s.max)))
	}
	busd := "busd dead"
	if v.busd > 0 {
		busd = "busd " + strconv.Itoa(v.busd)
	}
	return strings.Join(append(parts, "lost "+exact(v.lost()), fmt.Sprintf("deaths %d", v.bus.Deaths), busd), "  ")
}
