package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A table is one of a page: the first column holds the names of the rows.
type table struct {
	heads []string
	rows  [][]string
}

// readTable returns the table of a page that the comment for file stands before.
func readTable(root, page, file string) (table, error) {
	text, err := os.ReadFile(filepath.Join(root, "docs", page))
	if err != nil {
		return table{}, err
	}
	_, after, ok := strings.Cut(string(text), "<!-- chart: "+file+" -->\n")
	if !ok {
		return table{}, fmt.Errorf("%s has no comment that chooses its table", page)
	}
	var t table
	for line := range strings.Lines(after) {
		cells, ok := cellsOf(line)
		if !ok {
			break
		}
		t.rows = append(t.rows, cells)
	}
	if len(t.rows) < 3 {
		return table{}, fmt.Errorf("%s has no table after the comment", page)
	}
	t.heads, t.rows = t.rows[0], t.rows[2:]
	return t, nil
}

// cellsOf splits a line of a table.
func cellsOf(line string) ([]string, bool) {
	line, ok := strings.CutPrefix(strings.TrimSpace(line), "|")
	if !ok {
		return nil, false
	}
	cells := strings.Split(strings.TrimSuffix(line, "|"), "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells, true
}

// column returns the number of a heading.
func (t table) column(head string) (int, error) {
	i := slices.Index(t.heads, head)
	if i < 0 {
		return 0, fmt.Errorf("there is no column %q among %q", head, t.heads)
	}
	return i, nil
}

// units are the factors of the units that tables use, in messages/s or seconds.
var units = map[string]float64{"": 1, "M/s": 1e6, "k/s": 1e3, "/s": 1, "ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1}

// value returns the number in a cell, in basic units; ok is false for an empty cell.
func value(cell string) (v float64, ok bool, err error) {
	if cell == "" {
		return 0, false, nil
	}
	number, unit, _ := strings.Cut(cell, " ")
	factor, known := units[unit]
	v, err = strconv.ParseFloat(number, 64)
	if err != nil || !known || v <= 0 {
		return 0, false, fmt.Errorf("%q is not a positive number with a known unit", cell)
	}
	return v * factor, true, nil
}
