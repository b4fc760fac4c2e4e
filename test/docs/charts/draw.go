package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"strings"
)

type kind int

const (
	lines kind = iota // a line for each column, over the rows
	bars              // a bar for each row of one column
)

// A chart shows columns of a table on a logarithmic axis.
type chart struct {
	file, page, title, axis, unit string
	kind                          kind
	columns                       []string
}

// series are the values of one column; NaN where a cell is empty.
type series struct {
	name   string
	values []float64
	cells  []string
}

func (c chart) draw(root string) ([]byte, error) {
	t, err := readTable(root, c.page, c.file)
	if err != nil {
		return nil, err
	}
	var rows []string
	for _, r := range t.rows {
		rows = append(rows, r[0])
	}
	var all []series
	for _, head := range c.columns {
		i, err := t.column(head)
		if err != nil {
			return nil, err
		}
		s := series{name: head}
		for _, r := range t.rows {
			v, ok, err := value(r[i])
			if err != nil {
				return nil, err
			}
			if !ok {
				v = math.NaN()
			}
			s.values, s.cells = append(s.values, v), append(s.cells, r[i])
		}
		all = append(all, s)
	}
	if c.kind == bars {
		return c.drawBars(rows, all[0]), nil
	}
	return c.drawLines(rows, all), nil
}

// A drawing is a document that is being written. Its colors follow the reader's preference.
type drawing struct{ bytes.Buffer }

const style = `<style>
text{font-family:Helvetica,Arial,'DejaVu Sans',sans-serif;fill:#24292f;font-size:14px}
.card{fill:#fff;stroke:#d0d7de}.title{font-size:17px;font-weight:bold}.dim{fill:#57606a}
.grid{stroke:#d8dee4}.c0{stroke:#8250df;fill:#8250df}.c1{stroke:#bf5b04;fill:#bf5b04}
.c2{stroke:#0969da;fill:#0969da}.c3{stroke:#6e7781;fill:#6e7781}.c4{stroke:#cf222e;fill:#cf222e}
.line{fill:none;stroke-width:2.5}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.card{fill:#0d1117;stroke:#30363d}
.dim{fill:#9198a1}.grid{stroke:#262c36}.c0{stroke:#bc8cff;fill:#bc8cff}.c1{stroke:#f0883e;fill:#f0883e}
.c2{stroke:#58a6ff;fill:#58a6ff}.c3{stroke:#8b949e;fill:#8b949e}.c4{stroke:#ff7b72;fill:#ff7b72}.line{fill:none}}
</style>
`

func newDrawing(width, height int, title string) *drawing {
	d := new(drawing)
	d.printf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n%s",
		width, height, width, height, html.EscapeString(title), style)
	d.printf(`<rect class="card" x="0.5" y="0.5" width="%d" height="%d" rx="8"/>`+"\n", width-1, height-1)
	d.text(24, 34, "start", "title", title)
	return d
}

func (d *drawing) printf(format string, a ...any) { fmt.Fprintf(d, format, a...) }

func (d *drawing) text(x, y float64, anchor, class, s string) {
	d.printf(`<text x="%.0f" y="%.0f" text-anchor="%s" class="%s">%s</text>`+"\n", x, y, anchor, class, html.EscapeString(s))
}

func (d *drawing) end() []byte {
	d.printf("</svg>\n")
	return d.Bytes()
}

// drawBars draws a bar from 1 (or the lowest value, where all are less) to each value.
func (c chart) drawBars(rows []string, s series) []byte {
	const left, right, top, step = 420, 770, 56, 27
	low, high := bounds(s)
	if low > 0.3 && low < 1 && high > 1 {
		low = 0.5
	}
	n := 0
	for _, v := range s.values {
		if !math.IsNaN(v) {
			n++
		}
	}
	height := top + n*step + 16
	d := newDrawing(860, height, c.title)
	at := func(v float64) float64 { return left + math.Log(v/low)/math.Log(high/low)*(right-left) }
	origin := at(low)
	if low < 1 && high > 1 {
		origin = at(1)
	}
	y := float64(top)
	for i, v := range s.values {
		if math.IsNaN(v) {
			continue
		}
		class := "c3"
		if strings.HasPrefix(rows[i], "shmbus") || c.unit != "" && v >= 1 {
			class = "c2"
		} else if c.unit != "" {
			class = "c1"
		}
		from, to := min(origin, at(v)), max(origin, at(v))
		d.text(left-40, y+15, "end", "", rows[i])
		d.printf(`<rect class="%s" x="%.1f" y="%.0f" width="%.1f" height="19" rx="2"/>`+"\n", class, from, y+1, max(to-from, 1))
		d.text(to+8, y+15, "start", "dim", s.cells[i]+c.unit)
		y += step
	}
	return d.end()
}

// bounds returns the lowest and the highest value.
func bounds(all ...series) (low, high float64) {
	low, high = math.Inf(1), 0
	for _, s := range all {
		for _, v := range s.values {
			if !math.IsNaN(v) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	return low, high
}

// drawLines draws a line for each column, with a decade for each line of the grid.
func (c chart) drawLines(rows []string, all []series) []byte {
	const left, right, top, bottom, height = 96, 600, 62, 372, 420
	low, high := bounds(all...)
	low, high = math.Pow(10, math.Floor(math.Log10(low))), high*1.3
	d := newDrawing(860, height, c.title)
	x := func(i int) float64 { return left + 16 + float64(i)/float64(len(rows)-1)*(right-left-32) }
	y := func(v float64) float64 { return bottom - math.Log(v/low)/math.Log(high/low)*(bottom-top) }
	for v := low; v <= high; v *= 10 {
		d.printf(`<path class="grid" d="M%d %.1fH%d"/>`+"\n", left, y(v), right)
		d.text(left-10, y(v)+5, "end", "dim", c.tick(v))
	}
	for i, r := range rows {
		d.text(x(i), bottom+24, "middle", "dim", r)
	}
	for i, s := range all {
		class := fmt.Sprintf("c%d", i)
		var points []string
		for j, v := range s.values {
			if !math.IsNaN(v) {
				points = append(points, fmt.Sprintf("%.1f,%.1f", x(j), y(v)))
			}
		}
		d.printf(`<polyline class="%s line" points="%s"/>`+"\n", class, strings.Join(points, " "))
		for _, p := range points {
			px, py, _ := strings.Cut(p, ",")
			d.printf(`<circle class="%s" cx="%s" cy="%s" r="4"/>`+"\n", class, px, py)
		}
		key := float64(top + 10 + i*26)
		d.printf(`<path class="%s line" d="M%d %.0fh26"/>`+"\n", class, right+24, key)
		d.text(right+58, key+5, "start", "", s.name)
	}
	return d.end()
}

// tick returns the label of a power of ten.
func (c chart) tick(v float64) string {
	steps := []struct {
		from float64
		unit string
	}{{1e6, " M/s"}, {1e3, " k/s"}, {1, "/s"}}
	if c.axis == "time" {
		steps = steps[:0]
		for _, u := range []string{"s", "ms", "µs", "ns"} {
			steps = append(steps, struct {
				from float64
				unit string
			}{units[u], " " + u})
		}
	}
	for _, s := range steps {
		if v >= s.from*0.999 {
			return fmt.Sprintf("%.0f%s", v/s.from, s.unit)
		}
	}
	return fmt.Sprint(v)
}
