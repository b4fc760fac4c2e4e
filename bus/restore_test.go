//go:build linux

package bus

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/internal/registry"
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

// A key file that is lost is written again by whoever waits: as it was, whoever made it before, and
// only once.
func TestKeyFileIsWrittenAgain(t *testing.T) {
	dir := t.TempDir()
	b, err := Create("x", WithDir(dir), WithMode(0o640))
	require.NoError(t, err)
	path := registry.KeyPath(dir, "x")
	before, err := registry.ReadKeyFile(path)
	require.NoError(t, err)
	for _, lose := range []func(){
		func() { require.NoError(t, os.Remove(path)) },
		func() { require.NoError(t, os.Truncate(path, 0)) }, // who wrote it again was killed
	} {
		lose()
		attend(t, b)
		eventually(t, "the key file is back", func() bool { k, err := registry.ReadKeyFile(path); return err == nil && k.State == registry.Ready })
		after, err := registry.ReadKeyFile(path)
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
	path := registry.KeyPath(dir, "x")
	b, err := Create("x", WithDir(dir))
	require.NoError(t, err)
	st, err := b.seg.Shm.Stat()
	require.NoError(t, err)

	require.NoError(t, os.Remove(path))
	second, err := Create("x", WithDir(dir))
	require.NoError(t, err)
	require.ErrorIs(t, registry.WriteKeyFile(b.seg, st), ErrExists)
	h, err := Open("x", WithDir(dir))
	require.NoError(t, err)
	require.Equal(t, second.UUID(), h.UUID())
	require.NoError(t, h.Close())
	require.NoError(t, second.Close())
	require.NoError(t, Remove("x", WithDir(dir)))

	require.NoError(t, registry.WriteKeyFile(b.seg, st))
	require.NoError(t, Remove("x", WithDir(dir)))
	require.ErrorIs(t, registry.WriteKeyFile(b.seg, st), ErrRemoved)
	require.NoFileExists(t, path)

	// A folder that was chosen and is gone may be out of sight.
	gone := filepath.Join(dir, "gone")
	third, err := Create("y", WithDir(gone))
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(gone))
	require.False(t, registry.RestoreKeyFile(third.seg, st))
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
	require.NoError(t, os.Remove(registry.KeyPath(dir, "x")))

	_, err = Open("x", WithDir(dir))
	var missing *NotFoundError
	require.ErrorAs(t, err, &missing)
	require.Equal(t, []LostBus{{ShmID: b.ShmID(), Key: b.Key(), UUID: b.UUID(), Created: time.Unix(0, b.seg.Identity.Created),
		UID: os.Geteuid(), Attached: 1, Pids: []int{os.Getpid()}}}, missing.Lost)
	require.Empty(t, missing.Elsewhere)
	require.ErrorContains(t, err, "busd restore x")
	require.NotContains(t, err.Error(), "create it")
	_, err = Open("z", WithDir(dir))
	require.NotContains(t, err.Error(), "restore")

	require.ErrorContains(t, Restore("z", b.ShmID(), WithDir(dir)), `belongs to bus "x"`)
	require.NoError(t, Restore("x", b.ShmID(), WithDir(dir)))
	require.ErrorIs(t, Restore("x", b.ShmID(), WithDir(dir)), ErrExists)
	for _, b := range []*Bus{b, other} {
		require.NoError(t, b.Close())
		require.NoError(t, Remove(b.Name(), WithDir(dir)))
	}
}

// A bus of another folder is not taken for one that has lost its key file, whoever has written what
// elsewhere.
func TestBusOfAnotherFolderIsNotLost(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	healthy, err := Create("x", WithDir(other))
	require.NoError(t, err)
	_, err = Open("x", WithDir(dir))
	var missing *NotFoundError
	require.ErrorAs(t, err, &missing)
	require.Empty(t, missing.Lost)
	require.Len(t, missing.Elsewhere, 1)
	require.Equal(t, registry.KeyPath(other, "x"), missing.Elsewhere[0].Path)
	require.ErrorContains(t, err, "set SHMBUS_DIR="+other)
	require.NotContains(t, err.Error(), "busd restore")

	// Beside it another bus of the name has lost its own.
	b, err := Create("x", WithDir(dir))
	require.NoError(t, err)
	require.NoError(t, os.Remove(registry.KeyPath(dir, "x")))
	_, err = Open("x", WithDir(dir))
	require.ErrorAs(t, err, &missing)
	require.Len(t, missing.Lost, 1)
	require.Equal(t, b.ShmID(), missing.Lost[0].ShmID)
	require.Len(t, missing.Elsewhere, 1)

	// What names another bus, or another segment, vouches for nothing.
	k, err := registry.ReadKeyFile(registry.KeyPath(other, "x"))
	require.NoError(t, err)
	for what, change := range map[string]func(*registry.KeyFile){
		"uuid": func(k *registry.KeyFile) { k.UUID = b.UUID() }, "segment": func(k *registry.KeyFile) { k.ShmID++ },
		"state": func(k *registry.KeyFile) { k.State = registry.Creating }, "namespace": func(k *registry.KeyFile) { k.IPC++ },
	} {
		wrong := k
		change(&wrong)
		text, err := json.Marshal(wrong)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(registry.KeyPath(other, "x"), text, 0o600))
		_, err = Open("x", WithDir(dir))
		require.ErrorAs(t, err, &missing)
		require.Len(t, missing.Lost, 2, what)
		require.ErrorContains(t, err, "--shmid")
	}
	require.NoError(t, os.Remove(registry.KeyPath(other, "x")))
	for _, r := range []struct {
		b   *Bus
		dir string
	}{{healthy, other}, {b, dir}} {
		require.NoError(t, Restore("x", r.b.ShmID(), WithDir(r.dir)))
		require.NoError(t, r.b.Close())
		require.NoError(t, Remove("x", WithDir(r.dir)))
	}
}

// While a daemon serves a bus, a cleaner that respects locks (systemd-tmpfiles) passes over its
// folder.
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
