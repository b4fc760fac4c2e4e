//go:build linux

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
	"shmbus/internal/testload"
	"shmbus/internal/testproc"
)

// Another process may make the description of a pipe non-blocking that both have open, at any
// moment.
func TestNonBlockingOutput(t *testing.T) {
	home(t)
	b := create(t, "b")
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	cmd := testproc.Command("bussub", "-b", "b", "-n", "200000", "--reliable")
	cmd.Stdout = w
	var stderr text
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	defer cmd.Process.Kill()
	testload.Eventually(t, "subscribed", func() bool { return subscribers(t, b) == 1 })
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
