package cli

import (
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"shmbus/internal/linux"
)

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := AsFile(w)
	if !ok {
		return false
	}
	return linux.IsTerminal(f)
}

// TerminalSize returns the rows and columns of a terminal. ok is false if they are not known.
func TerminalSize(w io.Writer) (rows, columns int, ok bool) {
	f, ok := AsFile(w)
	if !ok {
		return 0, 0, false
	}
	rows, columns = linux.TerminalSize(f)
	return rows, columns, rows != 0 && columns != 0
}

// Printable returns s with everything escaped that could move a terminal's cursor or change its
// state, because names come from other processes.
func Printable(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, unprintable) < 0 {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
