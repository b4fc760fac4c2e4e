// Package plot draws line charts as SVG: enough for the results of benchmarks, and no more.
package plot

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"strings"
)

// A Chart is some series over one pair of axes.
type Chart struct {
	Title, Subtitle string
	X, Y            Axis
	Series          []Series
}

// A Series is a line through points.
type Series struct {
	Name   string
	Color  string
	Dashed bool
	Points []Point
}

// A Point has a range that is drawn through it, unless Low and High are the same.
type Point struct{ X, Y, Low, High float64 }

// Where things are, in pixels.
const (
	width, height          = 900, 540
	left, right            = 104, 658 // of the axes; the legend is behind
	top, bottom            = 84, 470
	legendX, legendSpacing = 680, 26

	titleSize, textSize, tickSize = 20, 15, 14
)

// SVG returns the chart as a document.
func (c Chart) SVG() []byte {
	var d drawing
	d.printf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="Helvetica, Arial, 'DejaVu Sans', sans-serif">`+"\n",
		width, height, width, height)
	d.printf(`<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	d.text(left, 34, titleSize, "start", "#000", c.Title)
	d.text(left, 60, tickSize, "start", "#555", c.Subtitle)
	x, y := c.scales()
	for _, t := range c.X.ticks(x) {
		at := x.at(t.At)
		d.line(at, top, at, bottom, "#ddd", 1)
		d.text(at, bottom+22, tickSize, "middle", "#333", t.Label)
	}
	for _, t := range c.Y.ticks(y) {
		at := y.at(t.At)
		d.line(left, at, right, at, "#ddd", 1)
		d.text(left-9, at+5, tickSize, "end", "#333", t.Label)
	}
	d.line(left, bottom, right, bottom, "#333", 1.5)
	d.line(left, top, left, bottom, "#333", 1.5)
	d.text((left+right)/2, bottom+54, textSize, "middle", "#000", c.X.Label)
	d.printf(`<g transform="translate(26 %d) rotate(-90)">`, (top+bottom)/2)
	d.text(0, 0, textSize, "middle", "#000", c.Y.Label)
	d.printf("</g>\n")
	for i, s := range c.Series {
		d.series(s, x, y)
		at := float64(top + 10 + i*legendSpacing)
		d.path([]float64{legendX, legendX + 34}, []float64{at, at}, s)
		d.circle(legendX+17, at, s.Color)
		d.text(legendX+44, at+5, tickSize, "start", "#000", s.Name)
	}
	d.printf("</svg>\n")
	return d.Bytes()
}

// scales returns where the axes' values are, from the lowest to the highest there is.
func (c Chart) scales() (x, y scale) {
	x = scale{low: math.Inf(1), high: math.Inf(-1), from: left + 12, to: right - 12, log: c.X.Log}
	y = scale{low: math.Inf(1), high: math.Inf(-1), from: bottom, to: top + 8, log: c.Y.Log}
	for _, s := range c.Series {
		for _, p := range s.Points {
			x.include(p.X)
			y.include(p.Y)
			if p.Low < p.High {
				y.include(p.Low)
				y.include(p.High)
			}
		}
	}
	if c.Y.Log {
		y.low /= 1.15
	} else {
		y.include(0)
	}
	return x.proper(), y.proper()
}

// drawing is a document that is being written.
type drawing struct{ bytes.Buffer }

func (d *drawing) printf(format string, a ...any) { fmt.Fprintf(d, format, a...) }

func (d *drawing) text(x, y float64, size int, anchor, color, s string) {
	d.printf(`<text x="%.1f" y="%.1f" font-size="%d" text-anchor="%s" fill="%s">%s</text>`+"\n", x, y, size, anchor, color, html.EscapeString(s))
}

func (d *drawing) line(x1, y1, x2, y2 float64, color string, wide float64) {
	d.printf(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%v"/>`+"\n", x1, y1, x2, y2, color, wide)
}

func (d *drawing) circle(x, y float64, color string) {
	d.printf(`<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`+"\n", x, y, color)
}

func (d *drawing) path(xs, ys []float64, s Series) {
	var points []string
	for i := range xs {
		points = append(points, fmt.Sprintf("%.1f,%.1f", xs[i], ys[i]))
	}
	dash := ""
	if s.Dashed {
		dash = ` stroke-dasharray="7 5"`
	}
	d.printf(`<polyline points="%s" fill="none" stroke="%s" stroke-width="2.5"%s/>`+"\n", strings.Join(points, " "), s.Color, dash)
}

func (d *drawing) series(s Series, x, y scale) {
	var xs, ys []float64
	for _, p := range s.Points {
		xs, ys = append(xs, x.at(p.X)), append(ys, y.at(p.Y))
		if p.Low < p.High {
			d.line(x.at(p.X), y.at(p.Low), x.at(p.X), y.at(p.High), s.Color, 1.2)
		}
	}
	d.path(xs, ys, s)
	for i := range xs {
		d.circle(xs[i], ys[i], s.Color)
	}
}
