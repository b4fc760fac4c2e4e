//go:build linux

package main

import (
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/testproc"
)

func TestEvict(t *testing.T) {
	testproc.Folder(t)
	b := makeBus(t, "prices", bus.WithClientName("reader"))
	s, err := b.Subscribe("eu.>", bus.Reliable())
	require.NoError(t, err)
	r := busd(t, "evict", "prices", "1")
	require.Equal(t, 1, r.code)
	require.Equal(t, "busd: process 1 has no reliable subscription on bus prices; these have: "+strconv.Itoa(os.Getpid())+" (reader)\n", r.stderr)
	r = busd(t, "evict", "-b", "prices", strconv.Itoa(os.Getpid()))
	require.Zero(t, r.code, r.stderr)
	require.Equal(t, "evicted 1 subscription of process "+strconv.Itoa(os.Getpid())+" from bus prices\n", r.stdout)
	_, err = s.TryNext()
	require.ErrorIs(t, err, bus.ErrEvicted)
	r = busd(t, "evict", "prices", "1")
	require.Contains(t, r.stderr, "no process has one")
}
