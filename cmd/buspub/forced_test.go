//go:build linux

package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/testproc"
)

// Where the kernel destroys a bus that nobody has attached any more, a message that goes with it
// was not published.
func TestMessageLostWithTheBus(t *testing.T) {
	home(t)
	const setting = "/proc/sys/kernel/shm_rmid_forced" // of the tests' own IPC namespace
	require.NoError(t, os.WriteFile(setting, []byte("1"), 0))
	t.Cleanup(func() { os.WriteFile(setting, []byte("0"), 0) })

	out, err := testproc.Command("buspub", "-b", "b", "--create", "-f", "text", "a", "one").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "the messages are lost")
	require.Contains(t, string(out), "sysctl -w kernel.shm_rmid_forced=0")

	b, _, err := bus.OpenOrCreate("b")
	require.NoError(t, err)
	out, err = testproc.Command("buspub", "-b", "b", "--create", "-f", "text", "a", "two").CombinedOutput()
	require.NoError(t, err, "somebody keeps the bus: %s", out)
	require.NoError(t, bus.Remove("b"))
	require.NoError(t, b.Close())
}
