package main

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
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

func TestRm(t *testing.T) {
	ownDir(t)
	a, b := makeBus(t, "a"), makeBus(t, "b")
	a.Close()
	b.Close()
	require.Equal(t, result{}, busd(t, "rm", "a", "b"))
	requireGone(t, a)
	requireGone(t, b)
}

func TestRmRefusesWhatIsInUse(t *testing.T) {
	ownDir(t)
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
	ownDir(t)
	b := makeBus(t, "prices", bus.WithDaemon())
	r := busd(t, "rm", "prices")
	require.Zero(t, r.code, r.stderr)
	require.Contains(t, r.stderr, "note: busd (pid "+strconv.Itoa(os.Getpid())+") serves prices")
	requireGone(t, b)
}

func TestRmOfNoBus(t *testing.T) {
	ownDir(t)
	a := makeBus(t, "a")
	a.Close()
	makeBus(t, "audit")
	require.Equal(t, 2, busd(t, "rm", "a", "../x").code)
	require.Equal(t, "live", busList(t)["a"], "a wrong command line does nothing")
	r := busd(t, "rm", "prices", "a")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "audit", "says which there are")
	requireGone(t, a)
	require.Equal(t, 1, busd(t, "rm", "--force", "prices").code)
}

func TestRmOfRemains(t *testing.T) {
	for name, damage := range map[string]func(*bus.Bus) error{
		"no segment":    func(b *bus.Bus) error { return sysvshm.FromID(b.ShmID()).Remove() },
		"no semaphores": func(b *bus.Bus) error { return sysvsem.FromID(b.SemID()).Remove() },
		"neither":       func(b *bus.Bus) error { discard(b.ShmID(), b.SemID()); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			ownDir(t)
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
