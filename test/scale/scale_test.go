//go:build linux

package main

import (
	"context"
	"strings"
	"testing"

	"shmbus/internal/testproc"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { testproc.Main(m, roles) }

// A small run measures everything, with several clients in a process and several processes.
func TestSmallRun(t *testing.T) {
	r, err := measure(context.Background(), 7, 3, 100)
	require.NoError(t, err)
	require.Equal(t, []int{7, 3}, []int{r.clients, r.processes})
	require.Positive(t, r.wake)
	require.GreaterOrEqual(t, r.wake99, r.wake)
	for what, d := range map[string]int64{"heard": int64(r.heard), "join": int64(r.join), "topic": int64(r.topic), "status": int64(r.status)} {
		require.Positive(t, d, what)
	}
	require.Equal(t, strings.Count(strings.SplitN(header, "\n", 2)[0], "|"), strings.Count(r.String(), "|"))
}

// What goes wrong in a process is the run's error, and leaves nothing behind.
func TestRunThatFails(t *testing.T) {
	_, err := start("idle", 1, t.TempDir())
	require.ErrorContains(t, err, "did not begin")
	ctx, end := context.WithCancel(context.Background())
	end()
	_, err = measure(ctx, 2, 1, 100)
	require.ErrorIs(t, err, context.Canceled)
}
