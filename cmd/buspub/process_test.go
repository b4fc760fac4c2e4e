package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
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
		{"arguments", `buspub -b b x '{"a":1.50}' null; bussub -b b --from oldest -n 2`, 0, "{\"a\":1.50}\nnull\n", ""},
		{"invalid line, stop", `printf '1\nx\n2\n' | buspub -b b x`, 1, "", "line 2: json"},
		{"invalid line, skip", `printf '1\nx\n2\n' | buspub -b b x --on-error skip; c=$?; bussub -b b --from oldest -n 2; exit $c`, 1, "1\n2\n", "line 2: json"},
		{"unknown bus", `buspub -b nope x 1`, 1, "", "there is: b"},
		{"bad flag", `buspub -b b x --nope`, 2, "", "buspub --help"},
		{"bus that never comes", `buspub -b nope --wait 50ms x 1`, 3, "", "nope"},
		{"SIGTERM", `mkfifo f; buspub -b b x < f & exec 3> f; echo 1 >&3; bussub -b b --from oldest -n 1; kill -TERM $!; wait $!`, 143, "1\n", "terminated; 1 messages"},
		{"SIGINT", `mkfifo f; set -m; buspub -b b x < f & exec 3> f; echo 1 >&3; bussub -b b --from oldest -n 1; kill -INT $!; wait $!`, 130, "1\n", "interrupt; 1 messages"},
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
