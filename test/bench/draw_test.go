package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shmbus/test/bench/plot"
	"shmbus/test/bench/tables"
)

func figure(column string, x float64) tables.Figure {
	return tables.Figure{Column: column, Unit: "msgs/s", Median: x, Min: x / 2, Max: x * 2}
}

var drawn = results{Rounds: 7, Tables: []result{
	{Name: "oneway", Rows: []tables.Row{
		{Case: "64 B", Class: "far", Rounds: 6, Params: map[string]any{"size": 64, "slotsize": 128}, Figures: []tables.Figure{figure("shmbus", 2e7), figure("C ring", 3e7)}},
		{Case: "64 B", Class: "close", Rounds: 1, Params: map[string]any{"size": 64, "slotsize": 128}, Figures: []tables.Figure{figure("shmbus", 9e7)}},
		{Case: "16 B", Class: "far", Rounds: 7, Params: map[string]any{"size": 16, "slotsize": 64}, Figures: []tables.Figure{
			figure("shmbus", 4e7), {Column: "C ring", Skipped: "no compiler"},
		}},
		{Case: "2 B", Failed: "it broke"},
	}},
	{Name: "fanin", Rows: []tables.Row{
		{Class: "far", Rounds: 7, Params: map[string]any{"publishers": 2, "to": "nobody"}, Figures: []tables.Figure{figure("shmbus", 3e7), figure("1 publisher", 4e7)}},
		{Class: "far", Rounds: 7, Params: map[string]any{"publishers": 8, "to": "nobody"}, Figures: []tables.Figure{figure("shmbus", 2e7), figure("1 publisher", 5e7)}},
	}},
	{Name: "spinning", Rows: []tables.Row{{
		Class: "far", Rounds: 7, Params: map[string]any{"wait": "spin"},
		Distributions: []tables.Distribution{{Of: "shmbus", Unit: "ns", Count: 5000, Points: []tables.Percent{{Percent: 50, Value: 300}, {Percent: 99.99, Value: 9000}}}},
	}}},
}}

func TestPlot(t *testing.T) {
	dir := t.TempDir()
	b, err := json.Marshal(drawn)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "results.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"plot", file, filepath.Join(dir, "plots")}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"throughput-by-size", "throughput-by-publishers", "roundtrip-spinning"} {
		svg, err := os.ReadFile(filepath.Join(dir, "plots", name+".svg"))
		if err != nil || !strings.HasPrefix(string(svg), "<svg") {
			t.Error(err)
		}
	}
	if n := strings.Count(out.String(), "\n"); n != 3 {
		t.Errorf("%d charts:\n%s", n, &out)
	}
	for _, args := range [][]string{{"plot"}, {"plot", file}, {"plot", filepath.Join(dir, "none.json"), dir}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v is no error", args)
		}
	}
}

// A chart has the figures of one class, in order, and none that were skipped or are of too few
// messages.
func TestCharts(t *testing.T) {
	var r results
	b, _ := json.Marshal(drawn)
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	xs := map[string][]float64{}
	for _, c := range chartsOf(r) {
		for _, s := range c.chart.Series {
			for _, p := range s.Points {
				xs[c.name+" "+s.Name] = append(xs[c.name+" "+s.Name], p.X)
			}
		}
	}
	for series, want := range map[string][]float64{
		"throughput-by-size shmbus":                      {16, 64},
		"throughput-by-size C ring":                      {64},
		"throughput-by-publishers no subscriber":         {1, 2, 8},
		"roundtrip-spinning shmbus, spin":                {2},
		"throughput-by-size shmbus, fragments":           nil,
		"throughput-by-publishers 1 reliable subscriber": nil,
	} {
		if !slices.Equal(xs[series], want) {
			t.Errorf("%s: %v, want %v", series, xs[series], want)
		}
	}
	if bySize(r).chart.Series[1].Points[1] != (plot.Point{X: 64, Y: 2e7, Low: 1e7, High: 4e7}) {
		t.Errorf("%v", bySize(r).chart.Series[1])
	}
}
