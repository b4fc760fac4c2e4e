// Command charts draws the charts of README and docs from the tables that stand beside them.
//
//	charts ROOT    rewrite ROOT/docs/img/*.svg
//
// A table is chosen by the comment "<!-- chart: FILE -->" on the line before it; a chart therefore
// shows the same figures as its table. A test of this package fails while a chart is not current.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: charts ROOT")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "charts: %v\n", err)
		os.Exit(1)
	}
}

func run(root string) error {
	for _, c := range charts {
		svg, err := c.draw(root)
		if err != nil {
			return fmt.Errorf("%s: %w", c.file, err)
		}
		if err := os.WriteFile(filepath.Join(root, "docs", c.file), svg, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// charts lists the charts. Columns are headings of the table.
var charts = []chart{
	{
		file: "img/one-way.svg", page: "performance.md", kind: lines, axis: "messages per second",
		title:   "One publisher to one reliable subscriber, messages per second",
		columns: []string{"C marks", "C ring", "shmbus", "pipe"},
	},
	{
		file: "img/one-way-far.svg", page: "performance.md", kind: lines, axis: "messages per second",
		title:   "The same on cores that are far apart",
		columns: []string{"C marks", "C ring", "shmbus", "in batches", "pipe"},
	},
	{
		file: "img/round-trip.svg", page: "performance.md", kind: bars,
		title:   "Median round trip (less is better, logarithmic)",
		columns: []string{"round trip"},
	},
	{
		file: "img/others.svg", page: "performance.md", kind: bars, unit: " ×",
		title:   "Messages per second: shmbus is … times as fast as (logarithmic)",
		columns: []string{"messages/s ÷"},
	},
	{
		file: "img/clients.svg", page: "runs/2026-11.md", kind: lines, axis: "time",
		title:   "Clients asleep, on a busy machine with two processors",
		columns: []string{"death reported after", "join, subscribe, leave", "wake-up and back, p50", "busd status"},
	},
}
