package main

import (
	"context"
	"os"
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
		{"pipe", `seq 1000 | buspub -b b x; bussub -b b --from oldest --count 1000 | cmp - <(seq 1000)`, 0, "", ""},
		{"file", `seq 1000 > in; buspub -b b x < in; bussub -b b --from oldest -n 1000 | cmp - in`, 0, "", ""},
		{"arguments", `buspub -b b x '{"a":1.50}' null; bussub -b b --from oldest -n 2`, 0, "{\"a\":1.5}\nnull\n", ""},
		{"exact numbers", `buspub -b b --numbers exact x '{"a":1.50}' 1e400; bussub -b b --from oldest -n 2`, 0, "{\"a\":1.50}\n1e400\n", ""},
		{"invalid line, stop", `printf '1\nx\n2\n' | buspub -b b x`, 1, "", "line 2: json"},
		{"invalid line, skip", `printf '1\nx\n2\n' | buspub -b b x --on-error skip; c=$?; bussub -b b --from oldest -n 2; exit $c`, 1, "1\n2\n", "line 2: json"},
		{"unknown bus", `buspub -b nope x 1`, 1, "", "there is: b"},
		{"bad flag", `buspub -b b x --nope`, 2, "", "buspub --help"},
		{"bus that never comes", `buspub -b nope --wait 50ms x 1`, 3, "", "nope"},
		{"SIGTERM", `mkfifo f; buspub -b b x < f & exec 3> f; echo 1 >&3; bussub -b b --from oldest -n 1; kill -TERM $!; wait $!`, 143, "1\n", "terminated after 1 message"},
		{"SIGINT", `mkfifo f; set -m; buspub -b b x < f & exec 3> f; echo 1 >&3; bussub -b b --from oldest -n 1; kill -INT $!; wait $!`, 130, "1\n", "interrupt after 1 message"},
		{"closed stdin is empty", `buspub -b b x <&-`, 0, "", ""},
		{"endless input", `yes 1 | timeout 1 buspub -b b x; test ${PIPESTATUS[1]} = 124 -o ${PIPESTATUS[1]} = 143`, 0, "", "terminated"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			home(t)
			create(t, "b")
			got := shell(t, tt.script)
			require.Equal(t, tt.code, got.Code, got.Stderr)
			require.Equal(t, tt.stdout, got.Stdout)
			if tt.stderr == "" {
				require.Empty(t, got.Stderr)
			}
			require.True(t, strings.Contains(got.Stderr, tt.stderr), got.Stderr)
		})
	}
}

// Another process may make the description of a pipe non-blocking that both have open, at any moment.
func TestNonBlockingInput(t *testing.T) {
	home(t)
	b := create(t, "b")
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	cmd := command(t, "buspub", "-b", "b", "x")
	cmd.Stdin = r
	var stderr text
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	s, err := b.Subscribe(">", bus.FromOldest())
	require.NoError(t, err)
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for i := range 3 {
		_, err = w.WriteString("1\n")
		require.NoError(t, err)
		_, err = s.Next(ctx)
		require.NoError(t, err)
		if i == 0 {
			require.NoError(t, unix.SetNonblock(int(r.Fd()), true)) // its stdin is the same description
		}
		time.Sleep(50 * time.Millisecond) // it finds nothing
	}
	require.NoError(t, w.Close())
	require.NoError(t, cmd.Wait(), stderr.String())
}
