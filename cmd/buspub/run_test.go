//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
	"shmbus/internal/testload"
	"shmbus/internal/testproc"
)

// publish runs the command in this process.
func publish(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs text
	code = cli.Exec(t.Context(), run, args, strings.NewReader(stdin), &out, &errs)
	return out.String(), errs.String(), code
}

// frames returns what the bus holds.
func frames(t *testing.T, b *bus.Bus) []string {
	t.Helper()
	s, err := b.Subscribe(">", bus.FromOldest())
	require.NoError(t, err)
	defer s.Close()
	var out []string
	for {
		m, err := s.TryNext()
		if err == bus.ErrEmpty {
			return out
		}
		require.NoError(t, err)
		out = append(out, string(m.Raw))
	}
}

func TestPublishes(t *testing.T) {
	tests := []struct {
		name  string
		args  []string
		stdin string
		want  []string
	}{
		{"arguments", []string{"x", "1", `"a"`}, "", []string{"\x01", "\xa1a"}},
		{"lines", []string{"x"}, "1\n2\n", []string{"\x01", "\x02"}},
		{"last line without newline", []string{"x"}, "1\n2", []string{"\x01", "\x02"}},
		{"blank lines of json", []string{"x"}, "\n1\n \t\r\n2\r\n", []string{"\x01", "\x02"}},
		{"empty input", []string{"x"}, "", nil},
		{"text", []string{"x", "--format", "text"}, "1\n\nb\r\n", []string{"\xa11", "\xa0", "\xa2b\r"}},
		{"raw", []string{"x", "-f", "raw"}, "\xff\n", []string{"\xc4\x01\xff"}},
		{"msgpack", []string{"x", "-f", "msgpack"}, "\x01\x92\x02\n\x03", []string{"\x01", "\x92\x02\n", "\x03"}},
		{"minus after --", []string{"x", "--", "-1"}, "", []string{"\xff"}},
		{"dash is a message", []string{"x", "-f", "text", "-"}, "unread", []string{"\xa1-"}},
		{"empty message", []string{"x", "-f", "text", ""}, "unread", []string{"\xa0"}},
		{"byte order mark", []string{"x"}, "\uFEFF1\n2\n\uFEFF3\n\uFEFF\n", []string{"\x01", "\x02", "\x03"}},
		{"a mark is text", []string{"x", "-f", "text"}, "\uFEFF\n", []string{"\xa3\uFEFF"}},
		{"whole raw", []string{"x", "-f", "raw", "--whole"}, "1\n\xff\n", []string{"\xc4\x041\n\xff\n"}},
		{"whole text", []string{"x", "-f", "text", "--whole"}, "a\nb", []string{"\xa3a\nb"}},
		{"whole JSON", []string{"x", "--whole"}, "\uFEFF[\n  1,\n  2\n]\n", []string{"\x92\x01\x02"}},
		{"whole msgpack", []string{"x", "-f", "msgpack", "--whole"}, "\x92\x01\x02", []string{"\x92\x01\x02"}},
		{"an empty file", []string{"x", "-f", "raw", "--whole"}, "", []string{"\xc4\x00"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			home(t)
			b := create(t, "b")
			stdout, stderr, code := publish(t, tt.stdin, append([]string{"-b", "b"}, tt.args...)...)
			require.Equal(t, 0, code, stderr)
			require.Empty(t, stdout)
			require.Empty(t, stderr)
			require.Equal(t, tt.want, frames(t, b))
		})
	}
}

func TestErrors(t *testing.T) {
	tests := []struct {
		name  string
		args  []string
		stdin string
		code  int
		says  []string
	}{
		{"no bus", []string{"x", "1"}, "", 2, []string{"-b NAME", "SHMBUS_BUS"}},
		{"bus name", []string{"-b", "a/b", "x"}, "", 2, []string{"a/b"}},
		{"no topic", []string{"-b", "b"}, "", 2, []string{"no topic", "--help"}},
		{"topic", []string{"-b", "b", "x..y"}, "", 2, []string{`"x..y"`, "empty"}},
		{"pattern", []string{"-b", "b", "x.>"}, "", 2, []string{"patterns"}},
		{"flag", []string{"-b", "b", "x", "--frmat", "text"}, "", 2, []string{"--frmat", "buspub --help"}},
		{"negative message", []string{"-b", "b", "x", "-5"}, "", 2, []string{"put -- before"}},
		{"format", []string{"-b", "b", "x", "--format", "xml"}, "", 2, []string{"json, text, raw, msgpack"}},
		{"on-error", []string{"-b", "b", "x", "--on-error", "panic"}, "", 2, []string{"neither stop nor skip"}},
		{"rate", []string{"-b", "b", "x", "--rate", "-1"}, "", 2, []string{"--rate -1"}},
		{"a rate of letters", []string{"-b", "b", "x", "--rate", "fast"}, "", 2, []string{`--rate "fast": use a number`}},
		{"subscribers of letters", []string{"-b", "b", "x", "--subscribers", "1.5"}, "", 2, []string{`--subscribers "1.5": use a whole number`}},
		{"stats of letters", []string{"-b", "b", "x", "--stats=maybe"}, "", 2, []string{`--stats "maybe": use true or false`}},
		{"rate that is none", []string{"-b", "b", "x", "--rate", "NaN"}, "", 2, []string{"--rate NaN"}},
		{"negative timeout", []string{"-b", "b", "x", "--timeout", "-1s"}, "", 2, []string{"durations from 0 on"}},
		{"negative subscribers", []string{"-b", "b", "x", "--subscribers", "-1"}, "", 2, []string{"--subscribers -1"}},
		{"whole and messages", []string{"-b", "b", "x", "--whole", "1"}, "", 2, []string{"--whole is about standard input"}},
		{"whole of nothing", []string{"-b", "b", "x", "--whole"}, "", 1, []string{"standard input: json: byte 0"}},
		{"whole of two", []string{"-b", "b", "x", "--whole"}, "1\n2\n", 1, []string{"standard input: json: byte 2"}},
		{"whole of two objects", []string{"-b", "b", "x", "-f", "msgpack", "--whole"}, "\x01\x02", 1, []string{"standard input: msgpack: byte 1"}},
		{"whole too large", []string{"-b", "b", "x", "-f", "raw", "--whole"}, strings.Repeat("x\n", 1000), 1, []string{"standard input: message too large", "1000"}},
		{"whole far too large", []string{"-b", "b", "x", "-f", "raw", "--whole"}, strings.Repeat("x\n", 9<<20), 1, []string{"standard input: more than 16777216 bytes", "--max-frame"}},
		{"UTF-16", []string{"-b", "b", "x"}, "\xff\xfe1\x00\n\x00", 1, []string{"line 1", "iconv -f UTF-16"}},
		{"pretty-printed JSON", []string{"-b", "b", "x"}, "{\n}\n", 1, []string{"line 1", "--whole"}},
		{"shell", []string{"--completion", "csh"}, "", 2, []string{"bash, zsh, fish"}},
		{"create and wait", []string{"-b", "b", "x", "--create", "--wait", "1s"}, "", 2, []string{"exclude"}},
		{"no-wait and timeout", []string{"-b", "b", "x", "--no-wait", "--timeout", "1s"}, "", 2, []string{"nothing to limit"}},
		{"unknown bus", []string{"-b", "nope", "x", "1"}, "", 1, []string{"nope", "there is: b, c"}},
		{"wait in vain", []string{"-b", "nope", "x", "--wait", "30ms"}, "", 3, []string{"nope", "30ms"}},
		{"subscribers in vain", []string{"-b", "b", "x", "--subscribers", "2", "--timeout", "30ms"}, "", 3, []string{"0 of 2 subscriptions"}},
		{"not JSON", []string{"-b", "b", "x"}, "1\n\nhello\n2\n", 1, []string{"line 3: json: byte 0", "--format text"}},
		{"two values", []string{"-b", "b", "x"}, "1 2\n", 1, []string{"line 1: json: byte 2"}},
		{"message is not JSON", []string{"-b", "b", "x", "1", "hello"}, "", 1, []string{"message 2: json: byte 0"}},
		{"empty message", []string{"-b", "b", "x", ""}, "", 1, []string{"message 1: json"}},
		{"not msgpack", []string{"-b", "b", "x", "-f", "msgpack"}, "\x01\xc1\x01", 1, []string{"object 2: msgpack: byte 0"}},
		{"msgpack cannot skip", []string{"-b", "b", "x", "-f", "msgpack", "--on-error", "skip"}, "\xc1", 1, []string{"object 1", "next object"}},
		{"cut msgpack", []string{"-b", "b", "x", "-f", "msgpack"}, "\x92\x01", 1, []string{"object 1", "ends before"}},
		{"too large", []string{"-b", "b", "x", "-f", "text"}, "a\n" + strings.Repeat("x", 1000) + "\n", 1, []string{"line 2", "1003 bytes", "1000"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			home(t)
			create(t, "b", bus.WithMaxFrame(1000))
			create(t, "c")
			stdout, stderr, code := publish(t, tt.stdin, tt.args...)
			require.Equal(t, tt.code, code, stderr)
			require.Empty(t, stdout)
			require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
			require.True(t, strings.HasPrefix(stderr, "buspub: "), stderr)
			for _, s := range tt.says {
				require.Contains(t, stderr, s)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	stdout, stderr, code := publish(t, "", "--help")
	require.Equal(t, 0, code)
	require.Empty(t, stderr)
	for _, s := range []string{"TOPIC [MESSAGE…]", "--on-error", "--subscribers", "Exit codes"} {
		require.Contains(t, stdout, s)
	}
}

func TestWaitForBus(t *testing.T) {
	home(t)
	code := make(chan int)
	go func() { _, _, c := publish(t, "", "-b", "late", "--wait", "10s", "x", "1"); code <- c }()
	time.Sleep(50 * time.Millisecond)
	b := create(t, "late")
	require.Equal(t, 0, <-code)
	require.Len(t, frames(t, b), 1)
}

func TestSkip(t *testing.T) {
	home(t)
	b := create(t, "b", bus.WithMaxFrame(1000))
	_, stderr, code := publish(t, "1\nhello\n2\n\""+strings.Repeat("x", 2000)+"\"\n3\n[\n", "-b", "b", "x", "--on-error", "skip")
	require.Equal(t, 1, code)
	require.Equal(t, []string{"\x01", "\x02", "\x03"}, frames(t, b))
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	require.Len(t, lines, 4, stderr)
	require.Contains(t, lines[0], "line 2: json")
	require.Contains(t, lines[1], "line 4: message too large: 2003 bytes")
	require.Contains(t, lines[2], "line 6: json")
	require.Contains(t, lines[3], "skipped 3 of 6 lines")
}

func TestSkipSumsUp(t *testing.T) {
	home(t)
	b := create(t, "b")
	_, stderr, code := publish(t, strings.Repeat("bad\n", 5000)+"7\n", "-b", "b", "x", "--on-error", "skip")
	require.Equal(t, 1, code)
	require.Equal(t, []string{"\x07"}, frames(t, b))
	require.Less(t, strings.Count(stderr, "\n"), 60, stderr)
	require.Contains(t, stderr, "line 10: ")
	require.NotContains(t, stderr, "line 11: ")
	require.Regexp(t, `skipped \d+ more, among lines 11 to `, stderr)
	require.Contains(t, stderr, "skipped 5000 of 5001 lines")
}

// A line that is too long for the reader is left out, and the next one is read.
func TestOverlongLine(t *testing.T) {
	home(t)
	b := create(t, "b", bus.WithMaxFrame(1000))
	_, stderr, code := publish(t, "1\n"+strings.Repeat(" ", 17<<20)+"2\n3\n", "-b", "b", "x", "--on-error", "skip")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "line 2: more than 16777216 bytes")
	require.Equal(t, []string{"\x01", "\x03"}, frames(t, b))
}

// full returns a bus whose ring is full.
func full(t *testing.T) *bus.Bus {
	t.Helper()
	home(t)
	b := create(t, "b", bus.WithSlots(8))
	s, err := b.Subscribe(">", bus.Reliable())
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	_, stderr, code := publish(t, "1\n2\n3\n4\n5\n6\n7\n8\n", "-b", "b", "x")
	require.Equal(t, 0, code, stderr)
	return b
}

func TestFullRing(t *testing.T) {
	tests := []struct {
		name  string
		args  []string
		code  int
		says  []string
		lines int
	}{
		{"no-wait", []string{"--no-wait"}, 1, []string{"line 1", "full"}, 1},
		{"no-wait and skip", []string{"--no-wait", "--on-error", "skip"}, 1, []string{"line 1", "line 2", "full", "skipped 2 of 2"}, 3},
		{"timeout", []string{"--timeout", "50ms"}, 3, []string{"line 1", "50ms", "busd status b"}, 1},
		{"timeout is not skipped", []string{"--timeout", "50ms", "--on-error", "skip"}, 3, []string{"line 1"}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			full(t)
			begin := time.Now()
			_, stderr, code := publish(t, "9\n10\n", append([]string{"-b", "b", "x"}, tt.args...)...)
			require.Equal(t, tt.code, code, stderr)
			require.Less(t, time.Since(begin), 5*time.Second)
			require.Equal(t, tt.lines, strings.Count(stderr, "\n"), stderr)
			for _, s := range tt.says {
				require.Contains(t, stderr, s)
			}
		})
	}
}

// --timeout does not limit the wait for input.
func TestTimeoutIgnoresIdleInput(t *testing.T) {
	home(t)
	b := create(t, "b")
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	go func() {
		time.Sleep(100 * time.Millisecond)
		io.WriteString(w, "1\n")
		w.Close()
	}()
	var stderr text
	require.Equal(t, 0, cli.Exec(t.Context(), run, []string{"-b", "b", "x", "--timeout", "20ms"}, r, io.Discard, &stderr), stderr.String())
	require.Len(t, frames(t, b), 1)
}

// A signal ends every wait.
func TestSignal(t *testing.T) {
	tests := []struct {
		name   string
		args   []string
		full   bool
		signal syscall.Signal
		code   int
		says   string
	}{
		{"waiting for input", nil, false, syscall.SIGTERM, 143, "terminated after 1 message"},
		{"interrupt", nil, false, syscall.SIGINT, 130, "interrupt after 1 message"},
		{"waiting for room", nil, true, syscall.SIGTERM, 143, "after 0 messages"},
		{"waiting for the next message's time", []string{"--rate", "0.01"}, false, syscall.SIGTERM, 143, "after 1 message"},
		{"waiting for subscribers", []string{"--subscribers", "9"}, false, syscall.SIGTERM, 143, "after 0 messages"},
		{"waiting for the bus", []string{"-b", "nope", "--wait", "1h"}, false, syscall.SIGTERM, 143, "after 0 messages"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.full {
				full(t)
			} else {
				home(t)
				create(t, "b")
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			r, w, err := os.Pipe()
			require.NoError(t, err)
			defer r.Close()
			defer w.Close()
			input := "1\n"
			if tt.args != nil {
				input = "1\n2\n"
			}
			io.WriteString(w, input)
			time.AfterFunc(100*time.Millisecond, func() { cancel(cli.SignalError{Signal: tt.signal}) })
			var stderr text
			begin := time.Now()
			code := cli.Exec(ctx, run, append([]string{"-b", "b", "x"}, tt.args...), r, io.Discard, &stderr)
			require.Equal(t, tt.code, code, stderr.String())
			require.Contains(t, stderr.String(), tt.says)
			require.Less(t, time.Since(begin), 2*time.Second)
		})
	}
}

func TestReadError(t *testing.T) {
	home(t)
	create(t, "b")
	dir, err := os.Open(t.TempDir())
	require.NoError(t, err)
	defer dir.Close()
	var stderr text
	require.Equal(t, 1, cli.Exec(t.Context(), run, []string{"-b", "b", "x"}, dir, io.Discard, &stderr))
	require.Contains(t, stderr.String(), "is a directory")
}

func TestRemovedMeanwhile(t *testing.T) {
	full(t)
	removed := make(chan error, 1)
	time.AfterFunc(50*time.Millisecond, func() { removed <- bus.Remove("b") })
	_, stderr, code := publish(t, "1\n", "-b", "b", "x")
	require.NoError(t, <-removed)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "line 1: ")
	require.Contains(t, stderr, "removed")
}

func TestSubscribers(t *testing.T) {
	home(t)
	b := create(t, "b")
	code := make(chan int)
	go func() { _, _, c := publish(t, "1\n2\n", "-b", "b", "x.y", "--subscribers", "2"); code <- c }()
	var subs []*bus.Subscription
	for _, pattern := range []string{"z", "x.*", ">"} {
		s, err := b.Subscribe(pattern, bus.Reliable())
		require.NoError(t, err)
		defer s.Close()
		subs = append(subs, s)
		time.Sleep(30 * time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, s := range subs[1:] {
		for _, want := range []string{"\x01", "\x02"} {
			m, err := s.Next(ctx)
			require.NoError(t, err)
			require.Equal(t, want, string(m.Raw))
		}
	}
	require.Equal(t, 0, <-code)
}

func TestRate(t *testing.T) {
	home(t)
	create(t, "b")
	for _, tt := range []struct{ rate, messages int }{{100, 20}, {5000, 1000}} {
		t.Run(fmt.Sprintf("rate=%d", tt.rate), func(t *testing.T) {
			begin := time.Now()
			_, stderr, code := publish(t, strings.Repeat("1\n", tt.messages), "-b", "b", "x", "--rate", fmt.Sprint(tt.rate))
			require.Equal(t, 0, code, stderr)
			want := time.Duration(tt.messages-1) * time.Second / time.Duration(tt.rate)
			took := time.Since(begin)
			require.Greater(t, took, want-2*pacerBacklog)
			require.Less(t, took, want+2*time.Second)
		})
	}
}

func TestTime(t *testing.T) {
	home(t)
	b := create(t, "b")
	for _, args := range [][]string{{"x", "1"}, {"x", "1", "--time"}} {
		_, stderr, code := publish(t, "", append([]string{"-b", "b"}, args...)...)
		require.Equal(t, 0, code, stderr)
	}
	s, err := b.Subscribe(">", bus.FromOldest())
	require.NoError(t, err)
	defer s.Close()
	m, err := s.TryNext()
	require.NoError(t, err)
	require.True(t, m.Time().IsZero())
	m, err = s.TryNext()
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), m.Time(), time.Minute)
}

func TestStats(t *testing.T) {
	home(t)
	create(t, "b")
	_, stderr, code := publish(t, "1\n2\n\n300\n", "-b", "b", "x", "--stats")
	require.Equal(t, 0, code)
	require.Regexp(t, `^buspub: 3 messages, 5 bytes, \d+\.\d+ s(, \d+ messages/s)?\n$`, stderr)
	_, stderr, code = publish(t, "", "-b", "b", "x", "1", "--stats")
	require.Equal(t, 0, code)
	require.Regexp(t, `^buspub: 1 message, 1 byte, \d+\.\d+ s\n$`, stderr, "a rate takes two messages")
	_, stderr, code = publish(t, "", "-b", "b", "x", "1", "2", "3", "--rate", "50", "--stats")
	require.Equal(t, 0, code)
	require.Regexp(t, `^buspub: 3 messages, 3 bytes, 0\.\d+ s, \d\d messages/s\n$`, stderr)
}

// A process that is stopped for longer than --timeout looks once more: what it waited for may have
// come meanwhile.
func TestStoppedBeyondTheTimeout(t *testing.T) {
	home(t)
	b := create(t, "b", bus.WithSlots(8))
	s, err := b.Subscribe(">", bus.Reliable())
	require.NoError(t, err)
	defer s.Close()
	for range 3 {
		_, stderr, code := publish(t, "1\n2\n3\n4\n5\n6\n7\n8\n", "-b", "b", "x")
		require.Equal(t, 0, code, stderr)
		cmd := testproc.Command("buspub", "-b", "b", "x", "--timeout", "300ms", "9", "10")
		var errs text
		cmd.Stderr = &errs
		require.NoError(t, cmd.Start())
		testload.Eventually(t, "it waits", func() bool { return waiting(t, b) })
		require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
		for range 8 {
			_, err := s.TryNext()
			require.NoError(t, err)
		}
		time.Sleep(500 * time.Millisecond)
		require.NoError(t, cmd.Process.Signal(syscall.SIGCONT))
		require.NoError(t, cmd.Wait(), errs.String())
		for range 2 {
			_, err := s.TryNext()
			require.NoError(t, err)
		}
	}
}

// waiting reports whether a publisher waits for room.
func waiting(t *testing.T, b *bus.Bus) bool {
	t.Helper()
	snapshot, err := b.Snapshot()
	require.NoError(t, err)
	return slices.ContainsFunc(snapshot.Publishers, func(p bus.PublisherStatus) bool { return p.Waiting })
}

// A context that was ended for one call, which has just returned, is not held against the next.
func TestWatchdog(t *testing.T) {
	w := newWatchdog(t.Context(), 20*time.Millisecond)
	require.ErrorIs(t, w.do(t.Context(), func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }), errStuck)
	calls := 0
	require.NoError(t, w.do(t.Context(), func(ctx context.Context) error {
		if calls++; calls == 1 {
			<-ctx.Done()
			return ctx.Err()
		}
		return ctx.Err()
	}), "the last look finds what it waited for")
	require.Equal(t, 2, calls)

	w.mu.Lock()
	w.cancel(errStuck) // for the call before
	w.mu.Unlock()
	calls = 0
	require.NoError(t, w.do(t.Context(), func(ctx context.Context) error { calls++; return ctx.Err() }))
	require.Equal(t, 2, calls)
}

// Publishing a line makes no garbage.
func TestAllocations(t *testing.T) {
	if race {
		t.Skip("the race detector makes sync.Pool drop things")
	}
	home(t)
	create(t, "b")
	line := "{\"n\":12345,\"name\":\"abc\"}\n"
	measure := func(lines int) float64 {
		input := strings.Repeat(line, lines)
		return testing.AllocsPerRun(3, func() { publish(t, input, "-b", "b", "x") })
	}
	few, many := measure(10), measure(20_000)
	require.Less(t, many-few, 100.0)
}

func TestFeedGivesWhatCameBeforeAnError(t *testing.T) {
	broken := errors.New("broken")
	f := newFeed(t.Context(), io.MultiReader(strings.NewReader("abc"), failing{broken}))
	got, err := io.ReadAll(f)
	require.Equal(t, "abc", string(got))
	require.ErrorIs(t, err, broken)
	_, err = f.Read(make([]byte, 1))
	require.ErrorIs(t, err, broken)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
