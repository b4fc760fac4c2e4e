//go:build linux

package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
)

// values returns what the bus holds, decoded.
func values(t *testing.T, b *bus.Bus) []any {
	t.Helper()
	var out []any
	for _, frame := range frames(t, b) {
		var v any
		require.NoError(t, bus.Message{Raw: []byte(frame)}.Decode(&v))
		out = append(out, v)
	}
	return out
}

const manyDigits = "101.50\n99999999999999999999\n[1.00000000000000000001,123456789012345678901]\n1e5\n"

func TestNumbersNearest(t *testing.T) {
	home(t)
	b := create(t, "b")
	_, stderr, code := publish(t, manyDigits, "-b", "b", "x")
	require.Equal(t, 0, code)
	require.Equal(t, []any{101.5, 1e20, []any{1.0, 123456789012345678901.0}, 1e5}, values(t, b))
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	require.Len(t, lines, 2, "said once, and in all")
	require.Equal(t, "buspub: line 2: the number 99999999999999999999 is published as the nearest float64, 1e+20 "+
		"(said once; --numbers exact keeps such numbers, --numbers error refuses them)", lines[0])
	require.Equal(t, "buspub: 3 numbers in all were published as the nearest float64", lines[1])
}

func TestNumbersExact(t *testing.T) {
	home(t)
	b := create(t, "b")
	_, stderr, code := publish(t, manyDigits+"1e400\n", "-b", "b", "x", "--numbers", "exact")
	require.Equal(t, 0, code)
	require.Empty(t, stderr)
	require.Equal(t, "\xc7\x06N101.50", frames(t, b)[0])
	v := values(t, b)
	require.Equal(t, []any{101.5, 1e5}, []any{v[0], v[3]})
	for i, text := range []string{"99999999999999999999", "1e400"} {
		require.EqualValues(t, text, v[[]int{1, 4}[i]])
	}
}

func TestNumbersThatAreNoFloat(t *testing.T) {
	home(t)
	create(t, "b")
	_, stderr, code := publish(t, "1e-400\n5.\n", "-b", "b", "x", "--numbers", "error", "--on-error", "skip")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "line 1: json: byte 0: the number 1e-400 is so small that the nearest float64 is 0 (--numbers exact carries it as it is written); skipped\n")
	require.Contains(t, stderr, "line 2: json: byte 2: the number ends where digits must follow; skipped\n")
}

func TestNumbersRefused(t *testing.T) {
	home(t)
	b := create(t, "b")
	_, stderr, code := publish(t, manyDigits, "-b", "b", "x", "--numbers", "error", "--on-error", "skip")
	require.Equal(t, 1, code)
	require.Equal(t, []any{101.5, 1e5}, values(t, b))
	require.Contains(t, stderr, "buspub: line 2: json: byte 0: the number 99999999999999999999 has more digits than an integer of 64 bits "+
		"or a float64 holds (--numbers exact carries it as it is written); skipped\n")
	require.NotContains(t, stderr, "published as the nearest")

	_, stderr, code = publish(t, "1e400\n", "-b", "b", "x")
	require.Equal(t, 1, code)
	require.Equal(t, "buspub: line 1: json: byte 0: the number 1e400 is beyond the range of float64 (--numbers exact carries it as it is written)\n", stderr)
	_, stderr, code = publish(t, "", "-b", "b", "x", "--numbers", "exact", "-f", "text", "1")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "--numbers exact has nothing to decide with --format text")
	_, stderr, code = publish(t, "", "-b", "b", "x", "--numbers", "round")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "nearest, exact, error")
}
