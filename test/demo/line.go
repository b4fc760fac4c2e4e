//go:build linux

package main

import (
	"strings"
	"unicode/utf8"
)

// A style is an SGR sequence without its frame.
type style string

const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	cyan   style = "36"
)

// A look says what the terminal can show.
type look struct{ color, ascii bool }

var asciiFor = strings.NewReplacer("µ", "u", "×", "x", "█", "#", "·", ".", "▏", "|", "▕", "|", "◆", "o", "◀", "<",
	"─", "-", "━", "=", "…", "~", "→", "->", "│", "|", "●", "*", "○", "o", "≥", ">")

// plain replaces what the terminal can not show.
func (k look) plain(s string) string {
	if k.ascii {
		return asciiFor.Replace(s)
	}
	return s
}

// A line is a line of a frame: text of one cell a rune, cut off at its width.
type line struct {
	look  look
	width int
	cells int
	b     strings.Builder
}

// put appends text.
func (l *line) put(st style, s string) {
	s = l.look.plain(s)
	if room := l.width - l.cells; utf8.RuneCountInString(s) > room {
		s = string([]rune(s)[:max(room, 0)])
	}
	if s == "" {
		return
	}
	l.cells += utf8.RuneCountInString(s)
	if st != plain && l.look.color {
		s = "\x1b[" + string(st) + "m" + s + "\x1b[0m"
	}
	l.b.WriteString(s)
}

// to moves to a column.
func (l *line) to(column int) {
	if n := column - l.cells; n > 0 {
		l.put(plain, strings.Repeat(" ", n))
	}
}

// right puts text that ends before a column.
func (l *line) right(st style, column int, s string) {
	l.to(column - utf8.RuneCountInString(s))
	l.put(st, s)
}

// room is the number of cells that are left.
func (l *line) room() int { return l.width - l.cells }

// cut shortens text to a number of cells.
func cut(s string, cells int) string {
	if utf8.RuneCountInString(s) <= cells {
		return s
	}
	return string([]rune(s)[:max(cells-1, 0)]) + "…"
}
