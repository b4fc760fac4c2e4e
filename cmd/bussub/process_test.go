package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/bus"
)

func TestProcess(t *testing.T) {
	tests := []struct {
		name   string
		script string
		code   int
		stdout string
		stderr string // a part of it
	}{
		{"count", `buspub -b b x 1 2 3; bussub -b b --from oldest --count 2`, 0, "1\n2\n", ""},
		{"timeout", `buspub -b b x 1; bussub -b b --from oldest --timeout 100ms`, 3, "1\n", "no message for 100ms"},
		{"unknown bus", `bussub -b nope`, 1, "", "there is: b"},
		{"bad flag", `bussub -b b --nope`, 2, "", "bussub --help"},
		{"head", `yes '{"n":1}' | head -4000 | buspub -b b x; bussub -b b --from oldest | head -1`, 0, "{\"n\":1}\n", ""},
		{"head of a busy bus", `yes 1 | timeout 20 buspub -b b x 2>/dev/null & bussub -b b --reliable | head -1; c=$?; kill $!; exit $c`, 0, "1\n", ""},
		{"reader goes while idle", `buspub -b b --subscribers 1 x 1 & bussub -b b | head -1`, 0, "1\n", ""},
		{"full device", `buspub -b b x 1; bussub -b b --from oldest > /dev/full`, 1, "", "no space left on device"},
		{"no timeout", `(sleep 0.2; buspub -b b --timeout 0 --rate 0 x 1) & bussub -b b --from oldest -n 1 --timeout 0`, 0, "1\n", ""},
		{"full device, help", `bussub --help > /dev/full`, 1, "", "no space left on device"},
		{"full device, many", `seq 4000 | buspub -b b x; bussub -b b --from oldest > /dev/full`, 1, "", "no space left on device"},
		{"SIGTERM", `bussub -b b > out & buspub -b b --subscribers 1 x 1 2; until grep -q 2 out; do sleep 0.01; done; kill -TERM $!; wait $!; c=$?; cat out; exit $c`, 0, "1\n2\n", ""},
		{"SIGINT before the count", `set -m; bussub -b b -n 3 > out & buspub -b b --subscribers 1 x 1 2; until grep -q 2 out; do sleep 0.01; done; kill -INT $!; wait $!; c=$?; cat out; exit $c`, 130, "1\n2\n", "interrupt after 2 of 3"},
		{"SIGTERM with a reader that stands still", `yes 1 | head -4000 | buspub -b b x; { bussub -b b --from oldest --meta & echo $! > pid; wait $!; } | { sleep 0.3; kill -TERM $(cat pid); sleep 1.5; if kill -0 $(cat pid) 2>/dev/null; then echo alive; fi; }`, 0, "", ""},
		{"timeout(1)", `yes 1 | head -4000 | buspub -b b x; timeout 0.3 bussub -b b --from oldest > out; test $? = 124 && wc -l < out`, 0, "4000\n", ""},
		{"whole", `printf 'a\n\nb' > in; buspub -b b -f raw --whole x < in; bussub -b b --from oldest -f raw --whole -n 1 | cmp - in`, 0, "", ""},
		{"SIGINT that was ignored at the start", `sh -c 'bussub -b b > out & echo $! > pid'; until grep -q . pid; do sleep 0.01; done; buspub -b b --subscribers 1 x 1; kill -INT $(cat pid); sleep 0.2; buspub -b b x 2; until grep -q 2 out; do sleep 0.01; done; kill -TERM $(cat pid); while kill -0 $(cat pid) 2>/dev/null; do sleep 0.01; done; cat out`, 0, "1\n2\n", ""},
		{"follow", `bussub -b new --follow -n 1 --from oldest > out & sleep 0.2; buspub --create -b new x 1; wait $!; c=$?; cat out; exit $c`, 0, "1\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			home(t)
			b := create(t, "b")
			got := shell(t, tt.script)
			require.Equal(t, tt.code, got.Code, got.Stderr)
			require.Equal(t, tt.stdout, got.Stdout)
			if tt.stderr == "" {
				require.Empty(t, got.Stderr)
			}
			require.Contains(t, got.Stderr, tt.stderr)
			require.LessOrEqual(t, strings.Count(got.Stderr, "bussub: "), 1, got.Stderr)
			require.Less(t, got.Took, 10*time.Second)
			require.Equal(t, 0, subscribers(t, b), "the subscription is closed")
		})
	}
}

// Another process may make the description of a pipe non-blocking that both have open, at any moment.
func TestNonBlockingOutput(t *testing.T) {
	home(t)
	b := create(t, "b")
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	cmd := command(t, "bussub", "-b", "b", "-n", "200000", "--reliable")
	cmd.Stdout = w
	var stderr text
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	defer cmd.Process.Kill()
	eventually(t, "subscribed", func() bool { return subscribers(t, b) == 1 })
	require.NoError(t, unix.SetNonblock(int(w.Fd()), true)) // its stdout is the same description
	require.NoError(t, w.Close())
	go func() {
		p, err := b.Publisher("x")
		if err == nil {
			for range 200_000 {
				_ = p.PublishRaw(t.Context(), []byte{1})
			}
			p.Close()
		}
	}()
	time.Sleep(200 * time.Millisecond) // the pipe fills
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, cmd.Wait(), stderr.String())
	require.Len(t, got, 400_000)
}

// What goes in at one end of the bus comes out at the others, byte for byte.
func TestIdentity(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	inputs := []struct {
		name, format string
		data         []byte
		messages     int
	}{}
	add := func(name, format string, n int, line func(i int) []byte) {
		var data []byte
		for i := range n {
			data = append(data, line(i)...)
		}
		inputs = append(inputs, struct {
			name, format string
			data         []byte
			messages     int
		}{name, format, data, n})
	}
	// A length from 20 bytes to 200 kB, each order of magnitude as likely as another.
	length := func() int { return int(20 * pow10(4*r.Float64())) }
	short := func(i int) []byte {
		return fmt.Appendf(nil, "{\"i\":%d,\"p\":1.5,\"s\":\"é\\n\",\"l\":[true,null,1.50,-3]}\n", i)
	}
	mixed := func(i int) []byte {
		return fmt.Appendf(nil, "{\"i\":%d,\"s\":%q}\n", i, strings.Repeat("payload ", 1+length()/8))
	}
	random := func(int) []byte {
		line := make([]byte, length())
		for i := range line {
			line[i] = byte(r.Uint32())
		}
		return append(bytes.ReplaceAll(line, []byte("\n"), []byte("\r")), '\n')
	}
	packed := func(i int) []byte {
		n := length()
		return append(append(fmt.Appendf(nil, "\x82\xa1i\xcd%c%c\xa1b\xc6", i>>8&0x7f, i&0x7f), 0, byte(n>>16), byte(n>>8), byte(n)), make([]byte, n)...)
	}
	add("short", "json", 100_000, short)
	add("mixed", "json", 1500, mixed)
	add("short", "text", 100_000, short)
	add("mixed", "text", 1500, random)
	add("mixed", "raw", 1500, random)
	add("mixed", "msgpack", 1500, packed)
	for _, in := range inputs {
		for _, subscribers := range []int{1, 3} {
			t.Run(fmt.Sprintf("format=%s/lines=%s/subscribers=%d", in.format, in.name, subscribers), func(t *testing.T) {
				home(t)
				create(t, "b", bus.WithSlots(1<<11))
				file := filepath.Join(t.TempDir(), "in")
				require.NoError(t, os.WriteFile(file, in.data, 0o600))
				exact := ""
				if in.format == "json" {
					exact = "--numbers exact"
				}
				got := shell(t, fmt.Sprintf(`
					for i in $(seq %[1]d); do
						bussub -b b --reliable --format %[2]s --count %[3]d --timeout 30s | cat > out$i & pids="$pids $!"
					done
					buspub -b b --subscribers %[1]d --timeout 30s --format %[2]s %[5]s x < %[4]s || exit
					for p in $pids; do wait $p || exit; done
					for i in $(seq %[1]d); do cmp %[4]s out$i || exit; done
				`, subscribers, in.format, in.messages, file, exact))
				require.Equal(t, 0, got.Code, got.Stderr)
				require.Empty(t, got.Stderr)
				require.Empty(t, got.Stdout)
			})
		}
	}
}

func pow10(x float64) float64 {
	p := 1.0
	for ; x >= 1; x-- {
		p *= 10
	}
	return p * (1 + 9*x)
}
