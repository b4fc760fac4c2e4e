//go:build linux

package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/internal/testproc"
)

// forceRemoval has the kernel destroy segments with their last mapping, in the tests' own IPC
// namespace.
func forceRemoval(t *testing.T) {
	const setting = "/proc/sys/kernel/shm_rmid_forced"
	require.NoError(t, os.WriteFile(setting, []byte("1"), 0))
	t.Cleanup(func() { os.WriteFile(setting, []byte("0"), 0) })
}

// Where the kernel destroys what nobody has attached, nothing says that a bus stays.
func TestForcedRemoval(t *testing.T) {
	testproc.Folder(t)
	require.NotContains(t, busd(t, "doctor").stdout, "shm-rmid-forced")
	forceRemoval(t)
	r := busd(t, "doctor")
	require.Zero(t, r.code)
	require.Contains(t, r.stdout, "warning  shm-rmid-forced")
	require.Contains(t, r.stdout, "sysctl -w kernel.shm_rmid_forced=0")

	r = busd(t, "create", "prices")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "kernel.shm_rmid_forced")
	require.Empty(t, busList(t), "nothing of it is left")

	removeAfter(t, "prices")
	p := startBusd(t, "-b", "prices")
	p.logs("level=WARN.*shm_rmid_forced is 1")
	b, err := bus.Open("prices")
	require.NoError(t, err)
	p.signal(unix.SIGTERM)
	require.Zero(t, p.ends())
	p.logs("stays for as long as others have it attached")
	require.ErrorIs(t, b.Kept(), bus.ErrNotKept)
	require.NoError(t, b.Close())

	p = startBusd(t, "-b", "prices")
	p.signal(unix.SIGTERM)
	require.Zero(t, p.ends())
	p.logs("left the bus, which does not stay")
	require.NotContains(t, p.text(), "which stays")
}
