package sysv

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Table is the kernel's table of all objects of one kind in this IPC namespace. S is the record
// of an object in the package that works on that kind.
type Table[S any] struct {
	File  string // lists all objects, also those that the caller may not read: /proc/sysvipc/sem
	Any   int    // command that reads an index of the table: SEM_STAT_ANY
	Own   int    // the same, but only for objects that the caller may read: SEM_STAT
	Stat  func(index, cmd int) (S, syscall.Errno)
	OfRow func(Row) S
}

// List returns the records of all objects. count objects exist, and last is the highest index in
// use.
func (t *Table[S]) List(count, last int) []S {
	list := t.Walk(t.Any, last)
	if len(list) > 0 || count == 0 {
		return list
	}
	// Linux before 4.17 does not have the command Any. The file has the same records.
	if list, err := t.Read(); err == nil {
		return list
	}
	return t.Walk(t.Own, last)
}

// Walk reads each index of the table with the given command. It skips an index without an object,
// and an object that the command does not let the caller read.
func (t *Table[S]) Walk(cmd, last int) []S {
	var list []S
	for i := 0; i <= last; i++ {
		if st, errno := t.Stat(i, cmd); errno == 0 {
			list = append(list, st)
		}
	}
	return list
}

// Read reads the table's file.
func (t *Table[S]) Read() ([]S, error) {
	f, err := os.Open(t.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := parse(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.File, err)
	}
	var list []S
	for _, r := range rows {
		list = append(list, t.OfRow(r))
	}
	return list, nil
}

// A Row is a line of a file in /proc/sysvipc: a number for each heading.
type Row map[string]int64

// Int returns the number under a heading.
func (r Row) Int(heading string) int { return int(r[heading]) }

// Time returns the time under a heading.
func (r Row) Time(heading string) time.Time { return Time(r[heading]) }

// parse reads lines of numbers under a line of headings. Permission bits are octal.
func parse(r io.Reader) ([]Row, error) {
	lines := bufio.NewScanner(r)
	lines.Scan()
	headings := strings.Fields(lines.Text())
	var rows []Row
	for lines.Scan() {
		row, err := parseRow(headings, strings.Fields(lines.Text()))
		if err != nil {
			return nil, fmt.Errorf("%q: %w", lines.Text(), err)
		}
		rows = append(rows, row)
	}
	return rows, lines.Err()
}

func parseRow(headings, fields []string) (Row, error) {
	if len(fields) != len(headings) {
		return nil, fmt.Errorf("%d numbers under %d headings", len(fields), len(headings))
	}
	row := Row{}
	for i, heading := range headings {
		base := 10
		if heading == "perms" {
			base = 8
		}
		n, err := strconv.ParseInt(fields[i], base, 64)
		if err != nil {
			return nil, err
		}
		row[heading] = n
	}
	return row, nil
}

// Time converts a time of the kernel, in seconds. The kernel's 0, "never", becomes the zero time.
func Time(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}
