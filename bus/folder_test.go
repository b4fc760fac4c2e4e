//go:build linux

package bus

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/internal/registry"
)

// The folders that were made for a bus can be searched by all users whom its mode lets in. Those of
// a private bus follow the umask, as far as its owner can still use them.
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

// A folder that cannot be read is not the same as one that does not exist. Opening and creating a
// bus both say what is in the way.
func TestWhatIsNoFolder(t *testing.T) {
	above := t.TempDir()
	at := func(name string) string { return filepath.Join(above, name) }
	require.NoError(t, os.WriteFile(at("file"), nil, 0o600))
	require.NoError(t, os.Symlink("file", at("to-file")))
	require.NoError(t, os.Symlink("gone", at("dangling")))
	require.NoError(t, os.Symlink("loop", at("loop")))
	for _, tt := range []struct{ name, says string }{
		{"file", "file is not a folder"}, {"to-file", "to-file is not a folder"},
		{"dangling", "dangling is a symbolic link to gone, which is not there: make that folder"}, {"loop", "loop is a symbolic link that leads back to itself"},
	} {
		for _, dir := range []string{at(tt.name), filepath.Join(at(tt.name), "below"), filepath.Join(at(tt.name), "further", "below")} {
			_, listed := List(WithDir(dir))
			_, opened := Open("x", WithDir(dir))
			_, created := Create("x", WithDir(dir))
			removed := Remove("x", WithDir(dir))
			for what, err := range map[string]error{"list": listed, "open": opened, "create": created, "remove": removed} {
				require.ErrorContains(t, err, tt.says, "%s %s", what, dir)
				require.ErrorContains(t, err, "SHMBUS_DIR", "%s %s", what, dir)
				require.NotErrorIs(t, err, ErrNotFound, "%s %s", what, dir)
			}
		}
	}
	infos, err := List(WithDir(at("none")))
	require.NoError(t, err)
	require.Empty(t, infos)
	require.NoDirExists(t, at("gone"))
}

// Where something else has the name of a key file, the error says so, and it stays.
func TestWhatIsNoKeyFile(t *testing.T) {
	for what, make := range map[string]func(path string) error{
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"pipe":   func(path string) error { return unix.Mkfifo(path, 0o600) },
		"socket": func(path string) error { return unix.Mknod(path, unix.S_IFSOCK|0o600, 0) },
	} {
		dir := t.TempDir()
		require.NoError(t, make(registry.KeyPath(dir, "x")))
		_, opened := Open("x", WithDir(dir))
		_, created := Create("x", WithDir(dir))
		for _, err := range []error{opened, created, Remove("x", WithDir(dir))} {
			require.ErrorContains(t, err, "it is not a regular file, as a key file is: remove it or give it another name", what)
		}
		_, err := os.Lstat(registry.KeyPath(dir, "x"))
		require.NoError(t, err)
	}
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
