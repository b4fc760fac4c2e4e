package cli

import (
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A Table is printed with its columns aligned. A heading that ends in ">" aligns its column right
// and is printed without that sign.
type Table struct {
	Head []string
	Rows [][]string
}

// Row adds a row. Missing cells are empty.
func (t *Table) Row(cells ...string) { t.Rows = append(t.Rows, cells) }

// Write prints the table, each line after the indent. It prints nothing if there are no rows.
func (t *Table) Write(w io.Writer, indent string) error {
	if len(t.Rows) == 0 {
		return nil
	}
	head, rows, right, width := t.layout()
	var b strings.Builder
	for _, row := range append([][]string{head}, rows...) {
		var line strings.Builder
		line.WriteString(indent)
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if right[i] {
				line.WriteString(pad + cell)
			} else {
				line.WriteString(cell + pad)
			}
			line.WriteString(gap)
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// gap separates two columns.
const gap = "  "

// layout returns the cells as they are printed, which columns are aligned right, and the widths of
// the columns.
func (t *Table) layout() (head []string, rows [][]string, right []bool, width []int) {
	columns := len(t.Head)
	head, right, width = make([]string, columns), make([]bool, columns), make([]int, columns)
	for i, h := range t.Head {
		head[i], right[i] = strings.CutSuffix(h, ">")
		width[i] = utf8.RuneCountInString(head[i])
	}
	for _, r := range t.Rows {
		row := make([]string, columns)
		for i := range columns {
			if i < len(r) {
				row[i] = Printable(r[i])
			}
			if row[i] == "" {
				row[i] = "-"
			}
			width[i] = max(width[i], utf8.RuneCountInString(row[i]))
		}
		rows = append(rows, row)
	}
	return head, rows, right, width
}

// Fit drops columns, in the given order of their headings, until the table with its indent is not
// wider than the given number of characters. If that is not enough, it shortens the widest text
// column.
func (t *Table) Fit(characters int, indent string, headings ...string) {
	for {
		_, _, right, width := t.layout()
		excess := utf8.RuneCountInString(indent) - len(gap) - characters
		widest := -1
		for i, w := range width {
			excess += w + len(gap)
			if !right[i] && (widest < 0 || w > width[widest]) {
				widest = i
			}
		}
		switch {
		case excess <= 0:
			return
		case len(headings) > 0:
			t.drop(slices.Index(t.Head, headings[0]))
			headings = headings[1:]
			continue
		case widest >= 0:
			t.shorten(widest, max(width[widest]-excess, shortestText))
		}
		return
	}
}

// shortestText is the width below which a text column is not shortened.
const shortestText = 8

// shorten cuts the cells of a column.
func (t *Table) shorten(c, characters int) {
	for i, r := range t.Rows {
		if c < len(r) {
			if cell := []rune(Printable(r[c])); len(cell) > characters {
				t.Rows[i] = slices.Clone(r)
				t.Rows[i][c] = string(cell[:characters-1]) + "…"
			}
		}
	}
}

// Age formats a duration in the past, in one or two units: "3s", "5m10s", "2h05m", "4d03h".
func Age(d time.Duration) string {
	d = max(d, 0).Truncate(time.Second)
	two := func(n int64) string { return string([]byte{byte('0' + n/10%10), byte('0' + n%10)}) }
	s := int64(d / time.Second)
	switch {
	case s < 60:
		return d.String()
	case s < 3600:
		return Count(uint64(s/60)) + "m" + two(s%60) + "s"
	case s < 86400:
		return Count(uint64(s/3600)) + "h" + two(s/60%60) + "m"
	}
	return Count(uint64(s/86400)) + "d" + two(s/3600%24) + "h"
}

// DropEmpty drops the columns that are empty in all rows.
func (t *Table) DropEmpty() {
	for c := len(t.Head) - 1; c >= 0; c-- {
		used := false
		for _, r := range t.Rows {
			used = used || c < len(r) && r[c] != ""
		}
		if used {
			continue
		}
		t.drop(c)
	}
}

// drop drops a column.
func (t *Table) drop(c int) {
	if c < 0 {
		return
	}
	t.Head = slices.Delete(slices.Clone(t.Head), c, c+1)
	for i, r := range t.Rows {
		if c < len(r) {
			t.Rows[i] = slices.Delete(slices.Clone(r), c, c+1)
		}
	}
}
