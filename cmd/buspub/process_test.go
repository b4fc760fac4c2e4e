//go:build linux

package main

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/internal/testproc"
)

// Another process may make the description of a pipe non-blocking that both have open, at any
// moment.
func TestNonBlockingInput(t *testing.T) {
	home(t)
	b := create(t, "b")
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	cmd := testproc.Command("buspub", "-b", "b", "x")
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
