//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
	"shmbus/internal/testproc"
)

func TestWriteStatus(t *testing.T) {
	_, after := twoLooks()
	var b strings.Builder
	require.NoError(t, writeStatus(&b, after))
	require.Equal(t, `prices: live, 1h00m old, uuid u
  system V  key 0x00001234, shmid 5, semid 6, 3 MiB
  access    mode 0640, owner 64998:64999, key file /run/shmbus/prices.shmbus
  ring      16384 slots of 256 bytes, 12% filled; oldest position 0, head 2000; reliable backlog 25%
  traffic   2k/s messages, 125 KiB/s; 2k/s positions
  handled   1 death, 4 records reclaimed, 3 evictions, 2 wake-ups
  busd      pid 10, up 1m00s

publishers: 2 of 64
  PID  NAME  TOPIC  RATE      BYTES  MESSAGES  POSITION  FULL  STATE    AGE
   11  feed  eu.a   2k/s  125 KiB/s      2000      1999     0  ready     0s
   11  feed  eu.b    0/s      0 B/s         0         0     0  waiting   0s

subscribers: 2 of 256
  PID  NAME  PATTERN  POLICY       RATE  RECEIVED  POSITION  LAG  LOST  STATE    AGE
   11  feed  eu.>     reliable  1.98k/s      1980      1980   20     7  asleep    0s
   11  feed  us.>     evict         0/s         0         0    0     0  evicted   0s

other clients:
  PID  NAME         STATE     AGE
   10  busd         daemon  1m00s
   12  gone\x1b[2J  dead       0s
`, b.String())
}

func TestStatusLine(t *testing.T) {
	_, after := twoLooks()
	var b strings.Builder
	require.NoError(t, writeStatusLine(&b, after))
	require.Equal(t, "03:04:05.500 prices head=2000 rate=2k/s bytes=125 KiB/s positions=2k/s fill=12% backlog=25% publishers=2 subscribers=2 maxlag=20 lost=7 deaths=1\n", b.String())
}

// TestStatusJSONIsDocumented holds the output to the help text.
func TestStatusJSONIsDocumented(t *testing.T) {
	var check func(reflect.Type)
	check = func(typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			require.Regexp(t, `\b`+name+`\b`, statusJSONHelp)
			switch kind := f.Type.Kind(); {
			case (kind == reflect.Slice || kind == reflect.Pointer) && name != "topics":
				check(f.Type.Elem())
			case name == "sizes":
				check(f.Type)
			}
		}
	}
	check(reflect.TypeFor[bus.Snapshot]())
}

func TestStatusOfABus(t *testing.T) {
	testproc.Folder(t)
	b := makeBus(t, "prices")
	p, err := b.Publisher("eu.a")
	require.NoError(t, err)
	s, err := b.Subscribe("eu.>", bus.Reliable())
	require.NoError(t, err)
	defer s.Close()
	for range 3 {
		require.NoError(t, p.Publish(t.Context(), 1))
	}

	r := busd(t, "status", "prices")
	require.Zero(t, r.code, r.stderr)
	require.Contains(t, r.stdout, "head 3")
	require.Contains(t, r.stdout, "publishers: 1 of 4")
	require.Contains(t, r.stdout, "eu.>")

	t.Setenv("SHMBUS_BUS", "prices")
	r = busd(t, "status", "--json")
	require.Zero(t, r.code, r.stderr)
	var j bus.Snapshot
	only := json.NewDecoder(strings.NewReader(r.stdout))
	only.DisallowUnknownFields()
	require.NoError(t, only.Decode(&j))
	again, err := json.MarshalIndent(j, "", "  ")
	require.NoError(t, err)
	require.JSONEq(t, string(again), r.stdout, "it is the JSON of a snapshot")
	require.Equal(t, "live", j.State)
	require.Equal(t, uint64(3), j.Head)
	require.Equal(t, uint64(3), j.Subscribers[0].Lag)
	require.Equal(t, "eu.a", j.Publishers[0].Topic)
	require.Equal(t, uint64(3), j.Publishers[0].Messages)
	require.Equal(t, "eu.a", j.Topics[0].Name)
	require.Positive(t, j.Interval)

	require.NoError(t, b.Close())
	r = busd(t, "status")
	require.Contains(t, r.stdout, "publishers: 0 of 4\n\nsubscribers: 0 of 256\n")
}

func TestStatusOfNoBus(t *testing.T) {
	testproc.Folder(t)
	makeBus(t, "audit")
	r := busd(t, "status", "prices")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "audit", "the error says which there are")
}

func TestStatusWatchAppendsLines(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
	}{{"text", nil}, {"json", []string{"--json"}}} {
		t.Run(tt.name, func(t *testing.T) {
			testproc.Folder(t)
			b := makeBus(t, "prices")
			ctx, end := context.WithCancelCause(t.Context())
			w := &lineCounter{after: 3, then: func() { end(cli.SignalError{}) }}
			args := append([]string{"status", "prices", "--watch", "--interval", "5ms"}, tt.args...)
			require.Zero(t, cli.Exec(ctx, run, args, nil, w, io.Discard))
			require.GreaterOrEqual(t, w.lines.Load(), int64(3))
			require.NotContains(t, w.text.String(), "\x1b")

			// A bus that is removed ends the watching.
			w = &lineCounter{after: 2, then: func() { _ = bus.Remove(b.Name()) }}
			require.Equal(t, 1, cli.Exec(t.Context(), run, args, nil, w, io.Discard))
		})
	}
}

func TestStatusWatchRedrawsOnATerminal(t *testing.T) {
	testproc.Folder(t)
	makeBus(t, "prices")
	t.Setenv("TERM", "xterm")
	master, terminal := openTerminal(t)
	ctx, end := context.WithCancelCause(t.Context())
	var command sync.WaitGroup
	var code int
	command.Go(func() {
		defer terminal.Close() // so that reading ends, whatever happens
		code = cli.Exec(ctx, run, []string{"status", "prices", "--watch", "--interval", "5ms"}, nil, terminal, io.Discard)
	})
	seen := ""
	for b := make([]byte, 4096); strings.Count(seen, "\x1b[Hprices: live") < 3; {
		n, err := master.Read(b)
		require.NoError(t, err)
		seen += string(b[:n])
	}
	end(cli.SignalError{})
	command.Wait()
	require.Zero(t, code)
	require.Contains(t, seen, "\x1b[K\r\n", "what a longer line left is cleared")
	require.Contains(t, seen, "\x1b[J", "and what more lines left")
}

// Whatever the size of the terminal: no line is wider, there are no more lines, and every table
// keeps a share of them.
func TestStatusFitsTheTerminal(t *testing.T) {
	_, after := twoLooks()
	for i := range 30 {
		after.Publishers = append(after.Publishers, bus.PublisherStatus{Index: 2 + i, Client: 1, Pid: 10000 + i, Name: "feed", Topic: "a.rather.long.name.of.a.topic", Alive: true})
		after.Subscribers = append(after.Subscribers, bus.SubscriberStatus{Index: 2 + i, Client: 1, Pid: 10000 + i, Name: "näme", Pattern: "a.rather.long.pattern.>", Policy: "reliable", Gate: "closed", Alive: true})
	}
	for _, columns := range []int{1, 20, 40, 79, 200} {
		for _, rows := range []int{1, 2, 7, 8, 15, 23, 40, 200} {
			lines := statusLines(after, frame{columns, rows})
			require.LessOrEqual(t, len(lines), rows)
			for _, line := range lines {
				require.LessOrEqual(t, utf8.RuneCountInString(line), columns, line)
				require.NotContains(t, line, "\x1b")
			}
			if rows == 15 && columns >= 79 {
				require.Contains(t, strings.Join(lines, "\n"), "reliable", "the tables are more than the head")
			}
			if rows >= 23 && columns >= 79 {
				text := strings.Join(lines, "\n")
				for _, part := range []string{"publishers: 32 of 64", "subscribers: 32 of 256", "other clients:", "STATE", "LAG", "PATTERN", "TOPIC"} {
					require.Contains(t, text, part)
				}
				if rows < 40 {
					require.Equal(t, 2, strings.Count(text, "… "), text)
				}
			}
		}
	}
	require.Len(t, statusLines(after, frame{}), strings.Count(strings.Join(statusLines(after, frame{200, 200}), "\n"), "\n")+1)
}

// A terminal that cannot move its cursor gets a line for each look, as a pipe does.
func TestStatusWatchOnADumbTerminal(t *testing.T) {
	for _, term := range []string{"dumb", ""} {
		testproc.Folder(t)
		makeBus(t, "prices")
		t.Setenv("TERM", term)
		master, terminal := openTerminal(t)
		ctx, end := context.WithCancelCause(t.Context())
		var command sync.WaitGroup
		command.Go(func() {
			defer terminal.Close()
			cli.Exec(ctx, run, []string{"status", "prices", "--watch", "--interval", "5ms"}, nil, terminal, io.Discard)
		})
		seen := ""
		for b := make([]byte, 4096); strings.Count(seen, "head=0") < 2; {
			n, err := master.Read(b)
			require.NoError(t, err)
			seen += string(b[:n])
		}
		end(cli.SignalError{})
		command.Wait()
		require.NotContains(t, seen, "\x1b")
	}
}

// A terminal that changes its size is drawn anew at once, and never scrolls.
func TestStatusWatchFollowsTheTerminal(t *testing.T) {
	testproc.Folder(t)
	makeBus(t, "prices")
	t.Setenv("TERM", "xterm")
	master, terminal := openTerminal(t)
	resize := func(rows, columns uint16) {
		require.NoError(t, unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}))
	}
	resize(24, 80)
	ctx, end := context.WithCancelCause(t.Context())
	var command sync.WaitGroup
	command.Go(func() {
		defer terminal.Close()
		cli.Exec(ctx, run, []string{"status", "prices", "--watch", "--interval", "1h"}, nil, terminal, io.Discard)
	})
	frame := func() string {
		seen := ""
		for b := make([]byte, 4096); !strings.HasSuffix(seen, "\x1b[J"); {
			n, err := master.Read(b)
			require.NoError(t, err)
			seen += string(b[:n])
		}
		return seen
	}
	require.Contains(t, frame(), "subscribers: 0 of 256")
	resize(6, 30)
	require.NoError(t, unix.Kill(os.Getpid(), unix.SIGWINCH)) // the kernel tells the foreground of the terminal, which this is not
	second := frame()
	require.True(t, strings.HasPrefix(second, "\x1b[2J\x1b[H"), "%q", second)
	require.Equal(t, 5, strings.Count(second, "\n"))
	end(cli.SignalError{})
	command.Wait()
}

// Without --watch no line is wider than the terminal either, and none is left out.
func TestStatusIsAsWideAsTheTerminal(t *testing.T) {
	testproc.Folder(t)
	b := makeBus(t, "prices")
	for range 30 {
		s, err := b.Subscribe("a.pattern.of.some.length.>")
		require.NoError(t, err)
		defer s.Close()
	}
	master, terminal := openTerminal(t)
	require.NoError(t, unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 10, Col: 60}))
	seen := make(chan string, 1)
	go func() {
		var text strings.Builder
		_, _ = io.Copy(&text, master) // ends with EIO when the terminal is closed
		seen <- text.String()
	}()
	require.Zero(t, cli.Exec(t.Context(), run, []string{"status", "prices"}, nil, terminal, io.Discard))
	require.NoError(t, terminal.Close())
	lines := strings.Split(<-seen, "\r\n")
	require.Greater(t, len(lines), 35)
	for _, line := range lines {
		require.LessOrEqual(t, len([]rune(line)), 60, line)
	}
	require.Contains(t, busd(t, "status", "prices").stdout, "AGE", "elsewhere all is printed")
}

// openTerminal returns the two ends of a pseudo-terminal.
func openTerminal(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here: ", err)
	}
	t.Cleanup(func() { master.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	terminal, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { terminal.Close() })
	return master, terminal
}

// lineCounter calls then when it has seen so many lines.
type lineCounter struct {
	lines atomic.Int64
	text  strings.Builder
	after int64
	then  func()
}

func (l *lineCounter) Write(b []byte) (int, error) {
	l.text.Write(b)
	if n := l.lines.Add(int64(strings.Count(string(b), "\n"))); n == l.after {
		l.then()
	}
	return len(b), nil
}

func TestSleepEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.True(t, errors.Is(cli.Sleep(ctx, time.Hour), context.Canceled))
}
