//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/testproc"
)

// Of several buses of a name, restore takes the one that has lost its key file, and says which is
// which where that is not known.
func TestRestoreTellsBusesOfOneNameApart(t *testing.T) {
	other := testproc.Folder(t)
	healthy := makeBus(t, "x")
	dir := testproc.Folder(t)
	file := func(dir string) string { return filepath.Join(dir, "x.shmbus") }

	r := busd(t, "restore", "x")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, fmt.Sprintf("%s names segment %d", file(other), healthy.ShmID()))
	require.NoFileExists(t, file(dir))
	require.Contains(t, busd(t, "status", "x").stderr, "SHMBUS_DIR="+other)

	lost := makeBus(t, "x")
	require.NoError(t, os.Remove(file(dir)))
	r = busd(t, "restore", "x")
	require.Zero(t, r.code, r.stderr)
	require.Contains(t, r.stderr, fmt.Sprintf("for segment %d\n", lost.ShmID()))

	second := makeBus(t, "y")
	require.NoError(t, os.Remove(filepath.Join(dir, "y.shmbus")))
	third := makeBus(t, "y")
	require.NoError(t, os.Remove(filepath.Join(dir, "y.shmbus")))
	r = busd(t, "restore", "y")
	require.Equal(t, 2, r.code)
	require.Regexp(t, `SHMID +UUID +CREATED +OWNER +MAPPINGS +PROCESSES +KEY FILE\n`, r.stderr)
	for _, b := range []*bus.Bus{second, third} {
		require.Regexp(t, fmt.Sprintf(`(?m)^ *%d +%s +\d{4}-\S+ \S+ +\S+ +1 +%d +none found$`, b.ShmID(), b.UUID(), os.Getpid()), r.stderr)
	}
	require.NoFileExists(t, filepath.Join(dir, "y.shmbus"))
	require.Zero(t, busd(t, "restore", "y", "--shmid", fmt.Sprint(third.ShmID())).code)
}

// A folder that stands nowhere near is known from the environment of the bus's clients.
func TestRestoreLooksWhereClientsLook(t *testing.T) {
	far := filepath.Join(t.TempDir(), "far", "away")
	t.Setenv("SHMBUS_DIR", far)
	b := makeBus(t, "x")
	startBussub(t, b)
	dir := testproc.Folder(t)
	r := busd(t, "restore", "x")
	require.Equal(t, 1, r.code, r.stderr)
	require.Contains(t, r.stderr, filepath.Join(far, "x.shmbus"))
	require.NoFileExists(t, filepath.Join(dir, "x.shmbus"))
	out, err := testproc.Command("busd", "status", "x").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "SHMBUS_DIR="+far)
}
