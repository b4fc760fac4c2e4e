//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	frameEvery = 250 * time.Millisecond
	lineEvery  = 2 * time.Second
)

// errNobodyReads is that standard output is closed.
var errNobodyReads = errors.New("nobody reads standard output")

// A screen is standard output: a terminal, on which frames are drawn, or something else, into which
// lines are printed.
type screen struct {
	out  *os.File
	live bool
	look look

	mu      sync.Mutex // show and close
	entered bool
	closed  bool
	size    [2]int
	err     error

	events  int           // printed as lines
	printed time.Duration // when the last line was due
}

func newScreen(out *os.File, plain bool) *screen {
	_, err := unix.IoctlGetTermios(int(out.Fd()), unix.TCGETS)
	terminal := err == nil && os.Getenv("TERM") != "dumb"
	s := &screen{out: out, live: terminal && !plain, printed: -lineEvery}
	// See no-color.org: set and not empty.
	s.look = look{color: terminal && os.Getenv("NO_COLOR") == "", ascii: terminal && !utf8Locale()}
	return s
}

func utf8Locale() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := os.Getenv(name); v != "" {
			v = strings.ToUpper(strings.ReplaceAll(v, "-", ""))
			return strings.Contains(v, "UTF8")
		}
	}
	return false
}

// dimensions returns the columns and rows of the terminal.
func (s *screen) dimensions() (w, h int) {
	if ws, err := unix.IoctlGetWinsize(int(s.out.Fd()), unix.TIOCGWINSZ); err == nil && ws.Col > 0 && ws.Row > 0 {
		return int(ws.Col), int(ws.Row)
	}
	return 80, 24
}

// show draws a frame, or prints what is new.
func (s *screen) show(v view) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.err != nil {
		return s.err
	}
	if !s.live {
		return s.printNew(v)
	}
	w, h := s.dimensions()
	var b bytes.Buffer
	b.WriteString("\x1b[?2026h") // one picture, where the terminal knows that
	if !s.entered {
		s.entered = true
		b.WriteString("\x1b[?1049h\x1b[?25l\x1b[?7l")
	}
	if size := [2]int{w, h}; size != s.size {
		s.size = size
		b.WriteString("\x1b[2J")
	}
	b.WriteString("\x1b[H")
	for i, line := range frame(v, w, h, s.look) {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line + "\x1b[K")
	}
	b.WriteString("\x1b[J\x1b[?2026l")
	return s.write(b.Bytes())
}

// printNew prints the events that are new, and every now and then a line.
func (s *screen) printNew(v view) error {
	var b bytes.Buffer
	for _, e := range v.events[s.events:] {
		fmt.Fprintf(&b, "%5.1f s  * %s\n", e.at.Seconds(), s.look.plain(e.text))
	}
	s.events = len(v.events)
	if v.elapsed >= s.printed+lineEvery {
		s.printed = v.elapsed.Truncate(lineEvery)
		b.WriteString(s.look.plain(statusLine(v)) + "\n")
	}
	if b.Len() == 0 {
		return nil
	}
	return s.write(b.Bytes())
}

func (s *screen) write(b []byte) error {
	_, err := s.out.Write(b)
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.EIO) { // a terminal that hung up gives EIO
		err = errNobodyReads
	}
	s.err = err
	return err
}

// close gives the terminal back.
func (s *screen) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entered && !s.closed && s.err == nil {
		_ = s.write([]byte("\x1b[?7h\x1b[?25h\x1b[?1049l"))
	}
	s.closed = true
}

// print prints lines after the view was closed.
func (s *screen) print(lines []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	return s.write([]byte(s.look.plain(strings.Join(lines, "\n")) + "\n"))
}

// broken reports whether nobody reads any more.
func (s *screen) broken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err != nil
}
