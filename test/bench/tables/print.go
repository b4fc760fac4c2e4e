package tables

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Print prints a table that is complete.
func Print(w io.Writer, t Table, rows []Row) {
	fmt.Fprintf(w, "\n%s\n", t.Title)
	for _, n := range t.Notes {
		fmt.Fprintf(w, "  %s\n", n)
	}
	header := []string{""}
	for _, ratios := range []bool{true, false} {
		for _, r := range rows {
			for _, f := range r.Figures {
				if strings.HasPrefix(f.Column, "÷") == ratios && !slices.Contains(header[1:], f.Column) {
					header = append(header, f.Column)
				}
			}
		}
	}
	lines := [][]string{header}
	if slices.ContainsFunc(rows, func(r Row) bool { return r.Rounds > 0 }) {
		lines[0] = append(header, "class", "noise")
	}
	var notes []string
	for _, r := range rows {
		line := make([]string, len(header), len(header)+2)
		line[0] = r.Case
		for _, f := range r.Figures {
			at := 1 + slices.Index(header[1:], f.Column)
			line[at] = f.String()
			if f.Skipped != "" && !slices.Contains(notes, f.Skipped) {
				notes = append(notes, f.Skipped)
			}
		}
		if r.Noisy != "" {
			line[0] += "  NOISY"
			if note := fmt.Sprintf("%s: NOISY: %s", r.Case, r.Noisy); !slices.Contains(notes, note) {
				notes = append(notes, note)
			}
		}
		if r.Failed != "" {
			line[0] += "  FAILED"
			notes = append(notes, fmt.Sprintf("%s: FAILED: %s", r.Case, r.Failed))
		} else if r.Rounds > 0 {
			line = append(line, fmt.Sprintf("%s ×%d", r.Class, r.Rounds), r.noise())
		}
		lines = append(lines, line)
	}
	align(w, lines)
	for _, n := range notes {
		fmt.Fprintf(w, "  - %s\n", strings.ReplaceAll(n, "\n", "\n    "))
	}
}

// noise says how far the bus's own figure reaches around its median, and how many rounds were
// thrown out.
func (r Row) noise() string {
	text := ""
	for _, f := range r.Figures {
		if f.Unit != "ratio" && f.Skipped == "" && f.Median > 0 {
			text = fmt.Sprintf("±%.0f %%", 50*(f.Max-f.Min)/f.Median)
			break
		}
	}
	if r.Thrown > 0 {
		text += fmt.Sprintf(", %d thrown out", r.Thrown)
	}
	return text
}

// String formats a figure as a cell.
func (f Figure) String() string {
	if f.Skipped != "" {
		return "–"
	}
	text := Quantity(f.Median, f.Unit)
	if f.Unit == "ratio" {
		text = fmt.Sprintf("%s (%s–%s)", significant(f.Median), significant(f.Min), significant(f.Max))
	}
	if f.Target != nil {
		text += " " + f.Target.verdict(f.Median, f.Unit)
	}
	return text
}

// Quantity formats a figure with its unit.
func Quantity(x float64, unit string) string {
	scaled := func(name string, by float64) string { return significant(x/by) + " " + name }
	switch unit {
	case "msgs/s":
		switch {
		case x >= 1e6:
			return scaled("M/s", 1e6)
		case x >= 1e3:
			return scaled("k/s", 1e3)
		}
		return scaled("/s", 1)
	case "B/s":
		if x >= 1e9 {
			return scaled("GB/s", 1e9)
		}
		return scaled("MB/s", 1e6)
	case "B":
		if x >= 1<<20 {
			return scaled("MiB", 1<<20)
		}
		return scaled("KiB", 1<<10)
	case "": // a number of things
		if x == math.Trunc(x) {
			return fmt.Sprintf("%.0f", x)
		}
		return significant(x)
	case "ns":
		switch {
		case x >= 1e6:
			return scaled("ms", 1e6)
		case x >= 1e4:
			return scaled("µs", 1e3)
		}
		return scaled("ns", 1)
	}
	return scaled(unit, 1)
}

// significant formats a number with three digits that mean something.
func significant(x float64) string {
	switch {
	case x >= 100 || x == 0:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	case x >= 1:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.3f", x)
}

// align prints cells in columns: the first to the left, figures to the right.
func align(w io.Writer, lines [][]string) {
	var widths []int
	for _, line := range lines {
		for i, cell := range line {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range lines {
		var b strings.Builder
		for i, cell := range line {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			switch {
			case i == 0:
				b.WriteString("  " + cell + pad)
			default:
				b.WriteString("   " + pad + cell)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}
