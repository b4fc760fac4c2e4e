package bus

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// attend lets something of the bus wait, as in every program that receives, until the test ends.
func attend(t *testing.T, b *Bus) {
	s := subscribe(t, b, "nothing.comes")
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Next(t.Context())
	}()
	t.Cleanup(func() { s.Close(); <-done })
}

// A key file that is lost is written again by whoever waits: as it was, whoever made it before, and only once.
func TestKeyFileIsWrittenAgain(t *testing.T) {
	dir := t.TempDir()
	b, err := Create("x", WithDir(dir), WithMode(0o640))
	require.NoError(t, err)
	path := keyPath(dir, "x")
	before, err := readKeyFile(path)
	require.NoError(t, err)
	for _, lose := range []func(){
		func() { require.NoError(t, os.Remove(path)) },
		func() { require.NoError(t, os.Truncate(path, 0)) }, // who wrote it again was killed
	} {
		lose()
		attend(t, b)
		eventually(t, "the key file is back", func() bool { k, err := readKeyFile(path); return err == nil && k.State == keyReady })
		after, err := readKeyFile(path)
		require.NoError(t, err)
		require.Equal(t, before, after)
		st, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o640), st.Mode())
		h, err := Open("x", WithDir(dir))
		require.NoError(t, err)
		require.Equal(t, b.UUID(), h.UUID())
		require.NoError(t, h.Close())
		_, err = Create("x", WithDir(dir))
		require.ErrorIs(t, err, ErrExists)
	}
	require.NoError(t, Remove("x", WithDir(dir)))
	require.NoError(t, b.Close())
	require.NoFileExists(t, path, "a bus that was removed is not written again")
}

// The key file of a bus that goes, or of one that has the name by now, is not written.
func TestKeyFileIsNotWritten(t *testing.T) {
	dir := t.TempDir()
	path := keyPath(dir, "x")
	b, err := Create("x", WithDir(dir))
	require.NoError(t, err)
	st, err := b.seg.shm.Stat()
	require.NoError(t, err)

	require.NoError(t, os.Remove(path))
	second, err := Create("x", WithDir(dir))
	require.NoError(t, err)
	require.ErrorIs(t, b.seg.writeKeyFile(st), ErrExists)
	h, err := Open("x", WithDir(dir))
	require.NoError(t, err)
	require.Equal(t, second.UUID(), h.UUID())
	require.NoError(t, h.Close())
	require.NoError(t, second.Close())
	require.NoError(t, Remove("x", WithDir(dir)))

	require.NoError(t, b.seg.writeKeyFile(st))
	require.NoError(t, Remove("x", WithDir(dir)))
	require.ErrorIs(t, b.seg.writeKeyFile(st), ErrRemoved)
	require.NoFileExists(t, path)

	// A folder that was chosen and is gone may be out of sight.
	gone := filepath.Join(dir, "gone")
	third, err := Create("y", WithDir(gone))
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(gone))
	require.False(t, third.seg.restoreKeyFile(st))
	require.NoDirExists(t, gone)
	require.NoError(t, Restore("y", third.ShmID(), WithDir(gone)))
	require.NoError(t, third.Close())
	require.NoError(t, Remove("y", WithDir(gone)))
	require.NoError(t, b.Close())
}

// Who does not find a bus whose segment is there is told so, and not to make another.
func TestLostKeyFileIsNamed(t *testing.T) {
	dir := t.TempDir()
	b, err := Create("x", WithDir(dir))
	require.NoError(t, err)
	other, err := Create("y", WithDir(dir))
	require.NoError(t, err)
	require.NoError(t, os.Remove(keyPath(dir, "x")))

	_, err = Open("x", WithDir(dir))
	var missing *NotFoundError
	require.ErrorAs(t, err, &missing)
	require.Equal(t, []LostBus{{ShmID: b.ShmID(), Key: b.Key(), UID: os.Geteuid(), Attached: 1}}, missing.Lost)
	require.ErrorContains(t, err, "busd restore x")
	require.NotContains(t, err.Error(), "create it")
	_, err = Open("z", WithDir(dir))
	require.NotContains(t, err.Error(), "restore")

	require.ErrorContains(t, Restore("z", b.ShmID(), WithDir(dir)), `that of bus "x"`)
	require.NoError(t, Restore("x", b.ShmID(), WithDir(dir)))
	require.ErrorIs(t, Restore("x", b.ShmID(), WithDir(dir)), ErrExists)
	for _, b := range []*Bus{b, other} {
		require.NoError(t, b.Close())
		require.NoError(t, Remove(b.Name(), WithDir(dir)))
	}
}

// While a daemon serves a bus, a cleaner that respects locks (systemd-tmpfiles) passes over its folder.
func TestFolderIsKeptFromCleaners(t *testing.T) {
	dir := t.TempDir()
	cleanable := func() bool {
		f, err := os.Open(dir)
		require.NoError(t, err)
		defer f.Close()
		return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
	}
	member, err := Create("x", WithDir(dir))
	require.NoError(t, err)
	attend(t, member)
	require.True(t, cleanable(), "a member keeps no file open")
	daemon, err := Open("x", WithDir(dir), WithDaemon())
	require.NoError(t, err)
	attend(t, daemon)
	eventually(t, "the folder is locked", func() bool { return !cleanable() })
	// Those who create and remove buses do not notice.
	b, err := Create("y", WithDir(dir))
	require.NoError(t, err)
	require.NoError(t, b.Close())
	require.NoError(t, Remove("y", WithDir(dir)))
	require.NoError(t, daemon.Close())
	require.True(t, cleanable())
	require.NoError(t, Remove("x", WithDir(dir)))
	require.NoError(t, member.Close())
}
