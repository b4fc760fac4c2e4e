package bus

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A user's processes find each other's buses whatever of their environment is set: a session, cron, a service.
func TestOwnDirs(t *testing.T) {
	uid := os.Geteuid()
	runtime := t.TempDir()
	defer func(old string) { userRuntimeDirs = old }(userRuntimeDirs)
	userRuntimeDirs = runtime
	own := filepath.Join(runtime, strconv.Itoa(uid))
	tmp := "/tmp/shmbus-" + strconv.Itoa(uid)
	t.Setenv("TMPDIR", "/tmp")

	t.Setenv("XDG_RUNTIME_DIR", "")
	require.Equal(t, []string{tmp}, ownDirs(uid), "a service of a user who has no session")
	require.NoError(t, os.Mkdir(own, 0o700))
	require.Equal(t, []string{own + "/shmbus", tmp}, ownDirs(uid), "cron")
	t.Setenv("XDG_RUNTIME_DIR", own)
	require.Equal(t, []string{own + "/shmbus", tmp}, ownDirs(uid), "a session")
	t.Setenv("XDG_RUNTIME_DIR", "/elsewhere")
	require.Equal(t, []string{"/elsewhere/shmbus", own + "/shmbus", tmp}, ownDirs(uid))
	t.Setenv("TMPDIR", "/private")
	require.Equal(t, []string{"/elsewhere/shmbus", own + "/shmbus", "/private/shmbus-" + strconv.Itoa(uid), tmp}, ownDirs(uid))
	require.NotContains(t, ownDirs(uid+1), own+"/shmbus", "another user's")
}

// Whoever a bus's mode lets in may look into the folders that were made for it. A private bus's follow the umask, as
// far as the bus's owner can still use them.
func TestFolderModeFollowsTheBus(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o027, 0o077, 0o777} {
		for mode, need := range map[fs.FileMode]fs.FileMode{0o600: 0o700, 0o660: 0o755, 0o640: 0o755, 0o666: 0o755, 0o604: 0o755} {
			base := t.TempDir()
			dir := filepath.Join(base, "a", "b")
			old := unix.Umask(umask)
			b, err := Create("x", WithDir(dir), WithMode(mode))
			unix.Umask(old)
			require.NoError(t, err)
			require.NoError(t, b.Close())
			want := 0o755&^fs.FileMode(umask) | need
			for _, d := range []string{dir, filepath.Dir(dir)} {
				st, err := os.Stat(d)
				require.NoError(t, err)
				require.Equal(t, want, st.Mode().Perm(), "%s, umask %04o, bus %04o", d, umask, mode)
			}
			require.NoError(t, Remove("x", WithDir(dir)))
		}
	}
}

// A folder that exists was made by somebody who chose its mode.
func TestFolderThatExistsKeepsItsMode(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	require.NoError(t, os.Mkdir(dir, 0o700))
	b, err := Create("x", WithDir(dir), WithMode(0o666))
	require.NoError(t, err)
	require.NoError(t, b.Close())
	st, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o700), st.Mode().Perm())
	require.NoError(t, Remove("x", WithDir(dir)))
}

// What cannot be read is not what is not there.
func TestListOfWhatIsNoFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		_, err := List(WithDir(dir))
		require.ErrorContains(t, err, "SHMBUS_DIR", dir)
		_, err = Open("x", WithDir(dir))
		require.ErrorContains(t, err, "SHMBUS_DIR", dir)
		require.NotErrorIs(t, err, ErrNotFound, dir)
	}
	infos, err := List(WithDir(filepath.Join(filepath.Dir(file), "none")))
	require.NoError(t, err)
	require.Empty(t, infos)
}

// The name of a folder is no pattern.
func TestFolderWithBrackets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "[a]*?\\")
	b, err := Create("x", WithDir(dir))
	require.NoError(t, err)
	require.NoError(t, b.Close())
	infos, err := List(WithDir(dir))
	require.NoError(t, err)
	require.Len(t, infos, 1)
	_, err = Open("y", WithDir(dir))
	require.ErrorContains(t, err, "there is: x")
	require.NoError(t, Remove("x", WithDir(dir)))
}
