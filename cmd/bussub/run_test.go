//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
	"shmbus/internal/testload"
)

// print runs the command in this process.
func print(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs text
	code = cli.Exec(t.Context(), run, args, strings.NewReader(""), &out, &errs)
	return out.String(), errs.String(), code
}

// background runs the command in this process until the test ends or the returned function sends a
// signal.
func background(t *testing.T, stdout io.Writer, stderr *text, args ...string) (end func(syscall.Signal) int) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	code := make(chan int, 1)
	go func() { code <- cli.Exec(ctx, run, args, strings.NewReader(""), stdout, stderr) }()
	return func(s syscall.Signal) int {
		if s != 0 {
			cancel(cli.SignalError{Signal: s})
		}
		select {
		case c := <-code:
			cancel(nil)
			return c
		case <-time.After(10 * time.Second):
			t.Fatal("the command does not end: ", stderr)
			return -1
		}
	}
}

func publish(t *testing.T, b *bus.Bus, topic string, frames ...string) {
	t.Helper()
	p, err := b.Publisher(topic)
	require.NoError(t, err)
	defer p.Close()
	for _, f := range frames {
		require.NoError(t, p.PublishRaw(t.Context(), []byte(f)))
	}
}

func subscribers(t *testing.T, b *bus.Bus) int {
	s, err := b.Snapshot()
	require.NoError(t, err)
	return len(s.Subscribers)
}

func TestFormats(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"json", nil, "7\n\"a\"\n{\"$bytes\":\"/w==\"}\n"},
		{"text", []string{"-f", "text"}, "7\na\n{\"$bytes\":\"/w==\"}\n"},
		{"raw", []string{"-f", "raw"}, "7\na\n\xff\n"},
		{"msgpack", []string{"-f", "msgpack"}, "\x07\xa1a\xc4\x01\xff"},
		{"json with meta", []string{"--meta"}, `{"topic":"x.y","position":0,"publisher":0,"message":7}
{"topic":"x.y","position":1,"publisher":0,"message":"a"}
{"topic":"x.y","position":2,"publisher":0,"message":{"$bytes":"/w=="}}
`},
		{"raw with meta", []string{"--meta", "-f", "raw"}, "x.y\t0\t0\t-\t7\nx.y\t1\t0\t-\ta\nx.y\t2\t0\t-\t\xff\n"},
		{"one pattern of several", []string{"z", "x.*"}, "7\n\"a\"\n{\"$bytes\":\"/w==\"}\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			home(t)
			publish(t, create(t, "b"), "x.y", "\x07", "\xa1a", "\xc4\x01\xff")
			stdout, stderr, code := print(t, append([]string{"-b", "b", "--from", "oldest", "--count", "3"}, tt.args...)...)
			require.Equal(t, 0, code, stderr)
			require.Empty(t, stderr)
			require.Equal(t, tt.want, stdout)
		})
	}
}

func TestErrors(t *testing.T) {
	tests := []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"no bus", nil, 2, []string{"-b NAME", "SHMBUS_BUS"}},
		{"bus name", []string{"-b", "a/b"}, 2, []string{"a/b"}},
		{"pattern", []string{"-b", "b", "x.>.y"}, 2, []string{"last word"}},
		{"second pattern", []string{"-b", "b", "x", "a*"}, 2, []string{`"a*"`}},
		{"flag", []string{"-b", "b", "--frmat", "text"}, 2, []string{"--frmat", "bussub --help"}},
		{"format", []string{"-b", "b", "-f", "xml"}, 2, []string{"json, text, raw, msgpack"}},
		{"from", []string{"-b", "b", "--from", "yesterday"}, 2, []string{"oldest", "now", "position"}},
		{"wait", []string{"-b", "b", "--wait", "5s"}, 2, []string{"adaptive, block, yield, spin"}},
		{"count", []string{"-b", "b", "--count", "0"}, 2, []string{"--count 0"}},
		{"negative count", []string{"-b", "b", "--count", "-1"}, 2, []string{`--count "-1": use a whole number without a sign; see`}},
		{"large count", []string{"-b", "b", "-n", "99999999999999999999"}, 2, []string{`--count "99999999999999999999" is too large`}},
		{"negative timeout", []string{"-b", "b", "--timeout", "-1s"}, 2, []string{"--timeout -1s: use a duration from 0 on"}},
		{"timeout that is none", []string{"-b", "b", "--timeout", "1"}, 2, []string{`--timeout "1": use a duration, as 1.5s`}},
		{"observe reliably", []string{"-b", "b", "--observe", "--reliable"}, 2, []string{"--observe excludes"}},
		{"observe and demote", []string{"-b", "b", "--observe", "--demote-after", "1s"}, 2, []string{"--observe excludes"}},
		{"observe an unknown bus", []string{"-b", "nope", "--observe"}, 1, []string{"nope", "there is: b, c"}},
		{"evict and demote", []string{"-b", "b", "--evict-after", "1s", "--demote-after", "1s"}, 2, []string{"exclude"}},
		{"unknown bus", []string{"-b", "nope"}, 1, []string{"nope", "there is: b, c"}},
		{"future position", []string{"-b", "b", "--from", "77"}, 1, []string{"77", "not published yet"}},
		{"nothing comes", []string{"-b", "b", "--timeout", "30ms"}, 3, []string{"no message for 30ms"}},
		{"no bus comes", []string{"-b", "nope", "--follow", "--timeout", "30ms"}, 3, []string{"no message for 30ms", "nope"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			home(t)
			create(t, "b")
			create(t, "c")
			stdout, stderr, code := print(t, tt.args...)
			require.Equal(t, tt.code, code, stderr)
			require.Empty(t, stdout)
			require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
			require.True(t, strings.HasPrefix(stderr, "bussub: "), stderr)
			for _, s := range tt.says {
				require.Contains(t, stderr, s)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	stdout, stderr, code := print(t, "--help")
	require.Equal(t, 0, code)
	require.Empty(t, stderr)
	for _, s := range []string{"[PATTERN…]", "--from oldest|now|POSITION", "--wait adaptive|block|yield|spin", "Exit codes"} {
		require.Contains(t, stdout, s)
	}
}

func TestFrom(t *testing.T) {
	tests := []struct{ from, want string }{
		{"oldest", "0\n1\n2\n"}, {"0", "0\n1\n2\n"}, {"2", "2\n"}, {"3", ""}, {"now", ""},
	}
	for _, tt := range tests {
		t.Run(tt.from, func(t *testing.T) {
			home(t)
			publish(t, create(t, "b"), "x", "\x00", "\x01", "\x02")
			stdout, stderr, code := print(t, "-b", "b", "--from", tt.from, "--timeout", "50ms")
			require.Equal(t, 3, code, stderr)
			require.Equal(t, tt.want, stdout)
		})
	}
}

// The idle time begins anew with each message.
func TestTimeoutIsIdleTime(t *testing.T) {
	home(t)
	b := create(t, "b")
	var stdout, stderr text
	end := background(t, &stdout, &stderr, "-b", "b", "--timeout", "400ms")
	testload.Eventually(t, "subscribed", func() bool { return subscribers(t, b) == 1 })
	for range 4 {
		time.Sleep(150 * time.Millisecond)
		publish(t, b, "x", "\x01")
	}
	require.Equal(t, 3, end(0))
	require.Equal(t, "1\n1\n1\n1\n", stdout.String())
}

func TestLoss(t *testing.T) {
	tests := []struct {
		name   string
		args   []string
		code   int
		stdout string
		says   string
	}{
		{"lossy", []string{"-n", "2"}, 0, "1\n1\n", `2 messages, 2 bytes, .* \d+ positions lost\n$`},
		{"fail on loss", []string{"--fail-on-loss", "--timeout", "50ms"}, 3, strings.Repeat("1\n", 8), `8 messages, 8 bytes, .* \d+ positions lost\n`},
		// The messages that it waits for may never come.
		{"fail on loss with a count", []string{"--fail-on-loss", "-n", "17"}, 1, "", `bussub: after 0 of 17 messages some were lost`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			home(t)
			b := create(t, "b", bus.WithSlots(8))
			publish(t, b, "x", strings.Split(strings.Repeat("\x01", 20), "")...)
			stdout, stderr, code := print(t, append([]string{"-b", "b", "--from", "3", "--stats"}, tt.args...)...)
			require.Equal(t, tt.code, code, stderr)
			require.Equal(t, tt.stdout, stdout)
			require.Contains(t, stderr, "bussub: lost ")
			require.Regexp(t, `lost (\d+) positions, 3…\d+\n`, stderr)
			require.Regexp(t, tt.says, stderr)
		})
	}
}

// A rate takes two messages, and some time.
func TestStats(t *testing.T) {
	home(t)
	b := create(t, "b")
	publish(t, b, "x", "\x01")
	_, stderr, code := print(t, "-b", "b", "--from", "oldest", "-n", "1", "--stats")
	require.Equal(t, 0, code)
	require.Equal(t, "bussub: 1 message, 1 byte, 0.000 s, 0 positions lost\n", stderr)

	var stdout, errs text
	end := background(t, &stdout, &errs, "-b", "b", "-n", "3", "--stats")
	testload.Eventually(t, "subscribed", func() bool { return subscribers(t, b) == 1 })
	for range 3 {
		publish(t, b, "x", "\x01")
		time.Sleep(20 * time.Millisecond)
	}
	require.Equal(t, 0, end(0))
	require.Regexp(t, `^bussub: 3 messages, 3 bytes, 0\.\d+ s, \d+ messages/s, 0 positions lost\n$`, errs.String())
}

// A subscriber whose stdout is stuck makes publishers wait, until its patience is over.
func TestPatience(t *testing.T) {
	tests := []struct {
		flag string
		says string
	}{
		{"--evict-after", "cut off"},
		{"--demote-after", "lost "},
	}
	for _, tt := range tests {
		t.Run(tt.flag, func(t *testing.T) {
			home(t)
			b := create(t, "b", bus.WithSlots(64), bus.WithSlotSize(4096))
			r, w, err := os.Pipe()
			require.NoError(t, err)
			defer w.Close()
			var stderr text
			end := background(t, w, &stderr, "-b", "b", "-f", "text", tt.flag, "50ms", "--timeout", "1s")
			testload.Eventually(t, "subscribed", func() bool { return subscribers(t, b) == 1 })
			p, err := b.Publisher("x")
			require.NoError(t, err)
			defer p.Close()
			frame := append([]byte{0xda, 0x0f, 0x00}, make([]byte, 0xf00)...)
			for range 500 {
				require.NoError(t, p.PublishRaw(t.Context(), frame))
			}
			go io.Copy(io.Discard, r)
			code := end(0)
			r.Close()
			require.Contains(t, stderr.String(), tt.says)
			if tt.flag == "--evict-after" {
				require.Equal(t, 1, code)
			} else {
				require.Equal(t, 3, code) // the idle time came first; it is the louder failure
			}
		})
	}
}

func TestBadFrames(t *testing.T) {
	home(t)
	b := create(t, "b")
	frames := strings.Split(strings.Repeat("\xc1", 15), "")
	publish(t, b, "x", append(append([]string{"\x01"}, frames...), "\x02")...)
	// They count: a command that waited for others in their place might wait for ever.
	stdout, stderr, code := print(t, "-b", "b", "--from", "oldest", "-n", "17")
	require.Equal(t, 1, code)
	require.Equal(t, "1\n2\n", stdout)
	require.Contains(t, stderr, "position 1, topic x, publisher 0: msgpack: byte 0: ")
	require.Contains(t, stderr, "left out 15 frames")
	require.Equal(t, 11, strings.Count(stderr, "\n"))
}

func TestFollow(t *testing.T) {
	home(t)
	var stdout, stderr text
	end := background(t, &stdout, &stderr, "-b", "b", "--follow", "--from", "oldest", "--reliable")
	time.Sleep(30 * time.Millisecond)
	for _, frame := range []string{"\x01", "\x02"} {
		b, err := bus.Create("b")
		require.NoError(t, err)
		publish(t, b, "x", frame)
		want := string('0'+rune(frame[0])) + "\n"
		testload.Eventually(t, "printed", func() bool { return strings.HasSuffix(stdout.String(), want) })
		require.NoError(t, bus.Remove("b"))
		require.NoError(t, b.Close())
	}
	time.Sleep(50 * time.Millisecond)
	require.Equal(t, 0, end(syscall.SIGTERM))
	require.Equal(t, "1\n2\n", stdout.String())
	require.Empty(t, stderr.String())
}

func TestRemoved(t *testing.T) {
	home(t)
	b := create(t, "b")
	var stdout, stderr text
	end := background(t, &stdout, &stderr, "-b", "b")
	testload.Eventually(t, "subscribed", func() bool { return subscribers(t, b) == 1 })
	publish(t, b, "x", "\x01")
	require.NoError(t, bus.Remove("b"))
	require.Equal(t, 1, end(0))
	require.Equal(t, "1\n", stdout.String())
	require.Contains(t, stderr.String(), "removed")
	require.Contains(t, stderr.String(), "--follow")
}

func TestSignal(t *testing.T) {
	tests := []struct {
		name   string
		args   []string
		signal syscall.Signal
		code   int
		says   string
	}{
		{"endless", nil, syscall.SIGTERM, 0, ""},
		{"count not reached", []string{"--count", "5"}, syscall.SIGINT, 130, "interrupt after 1 of 5 messages"},
		{"waiting for the bus", []string{"-b", "nope", "--follow"}, syscall.SIGTERM, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			home(t)
			b := create(t, "b")
			publish(t, b, "x", "\x01")
			var stdout, stderr text
			end := background(t, &stdout, &stderr, append([]string{"-b", "b", "--from", "oldest"}, tt.args...)...)
			time.Sleep(100 * time.Millisecond)
			begin := time.Now()
			require.Equal(t, tt.code, end(tt.signal), stderr.String())
			require.Less(t, time.Since(begin), time.Second)
			require.Contains(t, stderr.String(), tt.says)
			require.Equal(t, tt.says == "", stderr.String() == "")
			require.Equal(t, 0, subscribers(t, b))
		})
	}
}

// A reader that stands still does not keep the command from ending.
func TestSignalWithStuckReader(t *testing.T) {
	home(t)
	b := create(t, "b")
	publish(t, b, "x", strings.Split(strings.Repeat("\x01", 4000), "")...)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	var stderr text
	end := background(t, w, &stderr, "-b", "b", "--from", "oldest", "--meta", "--follow")
	time.Sleep(100 * time.Millisecond)
	begin := time.Now()
	require.Equal(t, 0, end(syscall.SIGTERM), stderr.String())
	require.Less(t, time.Since(begin), grace+time.Second)
	require.Equal(t, 0, subscribers(t, b))
	r.Close() // ends the write
}

// What was received comes out without anything after it.
func TestFlushesWhenIdle(t *testing.T) {
	home(t)
	b := create(t, "b")
	var stdout, stderr text
	end := background(t, &stdout, &stderr, "-b", "b")
	testload.Eventually(t, "subscribed", func() bool { return subscribers(t, b) == 1 })
	publish(t, b, "x", "\x01")
	testload.Eventually(t, "printed", func() bool { return stdout.String() == "1\n" })
	require.Equal(t, 0, end(syscall.SIGTERM))
}

// The reader goes away while there is nothing to print.
func TestReaderGoesWhileIdle(t *testing.T) {
	home(t)
	b := create(t, "b")
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	var stderr text
	end := background(t, w, &stderr, "-b", "b")
	testload.Eventually(t, "subscribed", func() bool { return subscribers(t, b) == 1 })
	r.Close()
	end(0)
	require.Equal(t, 0, subscribers(t, b))
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// A failure to write ends the command also when nothing more is to be written.
func TestWriteError(t *testing.T) {
	home(t)
	b := create(t, "b")
	publish(t, b, "x", "\x01")
	var stderr text
	end := background(t, failing{errors.New("disk on fire")}, &stderr, "-b", "b", "--from", "oldest")
	require.Equal(t, 1, end(0))
	require.Equal(t, "bussub: disk on fire\n", stderr.String())
}

// Printing a message makes no garbage.
func TestAllocations(t *testing.T) {
	home(t)
	b := create(t, "b", bus.WithSlots(1<<14))
	publish(t, b, "x", strings.Split(strings.Repeat("\x01", 1<<14), "")...)
	measure := func(count string) float64 {
		return testing.AllocsPerRun(3, func() {
			cli.Exec(t.Context(), run, []string{"-b", "b", "--from", "oldest", "-n", count}, nil, io.Discard, io.Discard)
		})
	}
	few, many := measure("10"), measure("16000")
	require.Less(t, many-few, 100.0)
}
