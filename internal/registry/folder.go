package registry

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// systemDir is the folder of the buses of root; every user looks there. userRuntimeDirs holds the
// runtime folders that logind makes for users.
const systemDir = "/run/shmbus"

var userRuntimeDirs = "/run/user"

// Dirs returns the folders in which key files are looked for. New key files are made in the first.
func Dirs() []string {
	if d := os.Getenv("SHMBUS_DIR"); d != "" {
		return []string{d}
	}
	if os.Geteuid() == 0 {
		return []string{systemDir}
	}
	return append(ownDirs(os.Geteuid()), systemDir)
}

// ownDirs returns the default folders of a user other than root: the default in each environment
// that a process of the user may have, so that a bus created from cron is found from a session.
func ownDirs(uid int) []string {
	var dirs []string
	add := func(d string) {
		if d = filepath.Clean(d); !slices.Contains(dirs, d) {
			dirs = append(dirs, d)
		}
	}
	if d := os.Getenv("XDG_RUNTIME_DIR"); d != "" {
		add(filepath.Join(d, "shmbus"))
	}
	d := filepath.Join(userRuntimeDirs, strconv.Itoa(uid))
	if st, err := os.Stat(d); err == nil && st.IsDir() && ownerOf(st) == uid {
		add(filepath.Join(d, "shmbus"))
	}
	for _, d := range []string{os.TempDir(), "/tmp"} {
		add(filepath.Join(d, "shmbus-"+strconv.Itoa(uid)))
	}
	return dirs
}

// isOwnDir reports whether a folder is a default folder of this user.
func isOwnDir(dir string) bool {
	uid := os.Geteuid()
	return uid != 0 && slices.Contains(ownDirs(uid), filepath.Clean(dir))
}

// Absolute returns absolute paths, which stay right when this process changes its working
// directory.
func Absolute(dirs []string) []string {
	all := slices.Clone(dirs)
	for i, d := range all {
		if a, err := filepath.Abs(d); err == nil {
			all[i] = a
		}
	}
	return all
}

// keyFiles returns the paths of the key files in folder i of dirs. A folder that does not exist
// holds none; a folder that cannot be read is an error. A folder that is not trusted is an error if
// it is the first, in which buses are created, and is passed over otherwise.
func keyFiles(dirs []string, i int) ([]string, error) {
	dir := dirs[i]
	if err := trusted(dir); err != nil {
		if i > 0 {
			return nil, nil
		}
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		if err := explainFolder(dir, err); !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	var paths []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), KeySuffix) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, nil
}

// prepareFolder makes the folder of key files for a bus with the given mode, unless it exists. If
// the mode lets other users in, they may look into the folder and into those made above it,
// whatever the umask is. A default folder that this user made for private buses gets that
// permission as well. Any other folder that exists keeps its mode.
func prepareFolder(dir string, mode fs.FileMode) error {
	need := fs.FileMode(0o700)
	if mode&0o077 != 0 || dir == systemDir {
		need |= 0o055
	}
	err := makeFolder(dir, need)
	if reason := noFolder(dir); reason != nil {
		return reason
	}
	if err != nil {
		return explainFile(err)
	}
	st, err := os.Stat(dir)
	if err == nil && ownerOf(st) == os.Geteuid() && (dir == systemDir || isOwnDir(dir)) &&
		trusted(dir) == nil {
		return explainFile(widen(dir, need))
	}
	return nil
}

// makeFolder makes a folder and those above it, each with the permissions in need, unless it
// exists.
func makeFolder(dir string, need fs.FileMode) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if above := filepath.Dir(dir); above != dir {
		if err := makeFolder(above, need); err != nil {
			return err
		}
	}
	switch err := os.Mkdir(dir, 0o755); {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return err
	}
	return widen(dir, need)
}

// widen adds permissions to a folder.
func widen(dir string, need fs.FileMode) error {
	st, err := os.Lstat(dir)
	if err != nil || st.Mode()&need == need {
		return err
	}
	return os.Chmod(dir, st.Mode()|need)
}
