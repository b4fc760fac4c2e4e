package plot

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestRoundNumbers(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		log       bool
		want      []float64
	}{
		{0, 42, false, []float64{0, 10, 20, 30, 40}},
		{0, 1, false, []float64{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1}},
		{0, 88e6, false, []float64{0, 20e6, 40e6, 60e6, 80e6}},
		{70, 3000, true, []float64{100, 200, 500, 1000, 2000}},
		{70, 3e6, true, []float64{100, 1000, 10000, 1e5, 1e6}},
	} {
		got := scale{low: c.low, high: c.high, log: c.log}.round()
		if !slices.EqualFunc(got, c.want, func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*b }) {
			t.Errorf("%v to %v: %v, want %v", c.low, c.high, got, c.want)
		}
	}
}

func TestScale(t *testing.T) {
	s := scale{low: 1, high: 100, from: 0, to: 200, log: true}
	if got := s.at(10); math.Abs(got-100) > 1e-9 {
		t.Errorf("10 is at %v", got)
	}
	if s := (scale{low: math.Inf(1), high: math.Inf(-1)}).proper(); s.low >= s.high {
		t.Errorf("nothing is from %v to %v", s.low, s.high)
	}
	if s := (scale{low: 3, high: 3}).proper(); s.low >= s.high || !s.has(3) {
		t.Errorf("3 is from %v to %v", s.low, s.high)
	}
}

// A chart is a well-formed document in which every number is finite, also one of nothing.
func TestSVG(t *testing.T) {
	format := func(v float64) string { return fmt.Sprint(v) }
	for name, series := range map[string][]Series{
		"nothing":   nil,
		"one point": {{Name: "a", Color: "#000", Points: []Point{{X: 1, Y: 0}}}},
		"some": {
			{Name: "a < b & c", Color: "#000", Points: []Point{{X: 1, Y: 5, Low: 4, High: 7}, {X: 10, Y: 50}}},
			{Name: "b", Color: "#00f", Dashed: true, Points: []Point{{X: 2, Y: 5}}},
		},
	} {
		for _, log := range []bool{false, true} {
			c := Chart{Title: "T & t", X: Axis{Label: "x", Log: log, Format: format}, Y: Axis{Label: "y", Log: log, Format: format}, Series: series}
			svg := c.SVG()
			if strings.Contains(string(svg), "NaN") || strings.Contains(string(svg), "Inf") {
				t.Errorf("%s:\n%s", name, svg)
			}
			for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
				if _, err := d.Token(); err == io.EOF {
					break
				} else if err != nil {
					t.Fatalf("%s: %v\n%s", name, err, svg)
				}
			}
			for _, s := range series {
				if !bytes.Contains(svg, []byte(s.Color)) {
					t.Errorf("%s: no series %s", name, s.Name)
				}
			}
		}
	}
}
