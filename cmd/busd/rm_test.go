//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/testproc"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

func requireGone(t *testing.T, b *bus.Bus) {
	t.Helper()
	_, err := sysvsem.FromID(b.SemID()).Stat()
	require.ErrorIs(t, err, sysvsem.ErrRemoved)
	st, err := sysvshm.FromID(b.ShmID()).Stat()
	if err == nil {
		require.True(t, st.Destroy)
	}
	require.NoFileExists(t, filepath.Join(os.Getenv("SHMBUS_DIR"), b.Name()+".shmbus"))
}

func TestRmRefusesWhatIsInUse(t *testing.T) {
	testproc.Folder(t)
	b := makeBus(t, "prices", bus.WithClientName("feed"))
	r := busd(t, "rm", "prices")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "in use by feed (pid "+strconv.Itoa(os.Getpid())+")")
	require.Contains(t, r.stderr, "busd rm --force prices")
	require.Equal(t, "live", busList(t)["prices"])

	require.Zero(t, busd(t, "rm", "--force", "prices").code)
	requireGone(t, b)
}

func TestRmWithADaemon(t *testing.T) {
	testproc.Folder(t)
	b := makeBus(t, "prices", bus.WithDaemon())
	r := busd(t, "rm", "prices")
	require.Zero(t, r.code, r.stderr)
	require.Contains(t, r.stderr, "note: busd (pid "+strconv.Itoa(os.Getpid())+") serves prices")
	requireGone(t, b)
}

func TestRmOfRemains(t *testing.T) {
	for name, damage := range map[string]func(*bus.Bus) error{
		"no segment":    func(b *bus.Bus) error { return sysvshm.FromID(b.ShmID()).Remove() },
		"no semaphores": func(b *bus.Bus) error { return sysvsem.FromID(b.SemID()).Remove() },
		"neither":       func(b *bus.Bus) error { discard(b.ShmID(), b.SemID()); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			testproc.Folder(t)
			b := makeBus(t, "prices")
			b.Close()
			require.NoError(t, damage(b))
			r := busd(t, "rm", "prices")
			require.Zero(t, r.code, r.stderr)
			requireGone(t, b)
		})
	}
}

// busList returns the states of the buses by name.
func busList(t *testing.T) map[string]string {
	t.Helper()
	infos, err := bus.List()
	require.NoError(t, err)
	states := map[string]string{}
	for _, i := range infos {
		states[i.Name] = i.State
	}
	return states
}
