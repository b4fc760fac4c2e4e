//go:build linux

package main

import (
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/testload"
)

// An observer prints what any subscription would, also of topics that come later, and nobody sees
// it.
func TestObserve(t *testing.T) {
	home(t)
	b := create(t, "b")
	publish(t, b, "x.early", "\x01")
	before, err := b.Snapshot()
	require.NoError(t, err)
	var stdout, stderr text
	end := background(t, &stdout, &stderr, "-b", "b", "--observe", "--from", "oldest", "x.*")
	testload.Eventually(t, "printed", func() bool { return stdout.String() == "1\n" })
	now, err := b.Snapshot()
	require.NoError(t, err)
	require.Equal(t, before.Clients, now.Clients)
	require.Empty(t, now.Subscribers)
	publish(t, b, "y.late", "\x02")
	publish(t, b, "x.late", "\x03")
	testload.Eventually(t, "printed", func() bool { return stdout.String() == "1\n3\n" })
	require.Equal(t, 0, end(syscall.SIGTERM))
	require.Empty(t, stderr.String())
}

func TestObserveLoss(t *testing.T) {
	home(t)
	b := create(t, "b", bus.WithSlots(8))
	publish(t, b, "x", strings.Split(strings.Repeat("\x01", 20), "")...)
	stdout, stderr, code := print(t, "-b", "b", "--observe", "--from", "3", "-n", "8")
	require.Equal(t, 0, code, stderr)
	require.Equal(t, strings.Repeat("1\n", 8), stdout)
	require.Contains(t, stderr, "lost 9 positions, 3…11")
	stdout, stderr, code = print(t, "-b", "b", "--observe", "--from", "3", "-n", "17", "--fail-on-loss")
	require.Equal(t, 1, code, stderr)
	require.Empty(t, stdout)
}

// The bus that an observer follows is removed and made again.
func TestObserveFollow(t *testing.T) {
	home(t)
	var stdout, stderr text
	end := background(t, &stdout, &stderr, "-b", "b", "--observe", "--follow", "--from", "oldest")
	for _, frame := range []string{"\x01", "\x02"} {
		b, err := bus.Create("b")
		require.NoError(t, err)
		publish(t, b, "x", frame)
		want := string('0'+rune(frame[0])) + "\n"
		testload.Eventually(t, "printed", func() bool { return strings.HasSuffix(stdout.String(), want) })
		require.NoError(t, bus.Remove("b"))
		require.NoError(t, b.Close())
	}
	require.Equal(t, 0, end(syscall.SIGTERM))
	require.Equal(t, "1\n2\n", stdout.String())
}
