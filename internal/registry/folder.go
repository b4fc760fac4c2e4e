package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// systemDir is the folder of root's buses, in which everybody looks. userRuntimeDirs holds the
// runtime folders that logind makes for users.
const systemDir = "/run/shmbus"

var userRuntimeDirs = "/run/user"

// Dirs returns the folders in which key files are looked for; new ones are made in the first.
func Dirs() []string {
	if d := os.Getenv("SHMBUS_DIR"); d != "" {
		return []string{d}
	}
	if os.Geteuid() == 0 {
		return []string{systemDir}
	}
	return append(ownDirs(os.Geteuid()), systemDir)
}

// ownDirs returns the default folders of a user other than root: each that a process of the user has
// by default in some environment, so that a bus made from cron is found from a session.
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

// isOwnDir reports whether a folder is one that this user has by default.
func isOwnDir(dir string) bool {
	uid := os.Geteuid()
	return uid != 0 && slices.Contains(ownDirs(uid), filepath.Clean(dir))
}

// Absolute makes folders mean the same after this process has changed its own.
func Absolute(dirs []string) []string {
	all := slices.Clone(dirs)
	for i, d := range all {
		if a, err := filepath.Abs(d); err == nil {
			all[i] = a
		}
	}
	return all
}

// trusted reports why the default folder of this user must not be used: below a folder such as /tmp anybody may have
// made it first, and could replace key files in it. A folder that was chosen is the business of who chose it.
func trusted(dir string) error {
	if !isOwnDir(dir) {
		return nil
	}
	st, err := os.Lstat(dir)
	if err != nil {
		return nil // there is nothing in it to be misled by
	}
	if uid := ownerOf(st); !st.IsDir() || uid != os.Geteuid() || st.Mode().Perm()&keyFileWrite != 0 {
		return fmt.Errorf("%w: %s is to be a folder that belongs to user %d and that nobody else can write to, and it is %v of user %d: "+
			"remove it, or choose another with SHMBUS_DIR", fs.ErrPermission, dir, os.Geteuid(), st.Mode(), uid)
	}
	return nil
}

// keyFiles returns the paths of the key files in one of the folders. A folder that is not there holds none. One that
// cannot be read is an error. So is one that others may have planted things in, if buses are made in it (it is
// the first); what somebody else made of another default folder of this user is passed over.
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

// noFolder reports what stands where a folder of key files, or one above it, is to be: a link to nothing or to itself, or a file. It is
// nil where there is a folder, and where there is nothing, so that one can be made.
func noFolder(dir string) error {
	const advice = "or choose another folder of key files with SHMBUS_DIR"
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(at); err != nil {
			if errors.Is(err, fs.ErrPermission) || filepath.Dir(at) == at {
				return nil
			}
			continue
		}
		switch st, err := os.Stat(at); {
		case errors.Is(err, syscall.ELOOP):
			return fmt.Errorf("%s is a symbolic link that leads back to itself: remove it, %s", at, advice)
		case errors.Is(err, fs.ErrNotExist):
			target, _ := os.Readlink(at)
			return fmt.Errorf("%s is a symbolic link to %s, which is not there: make that folder or remove the link, %s", at, target, advice)
		case err == nil && !st.IsDir():
			return fmt.Errorf("%s is not a folder (%v): remove it, %s", at, st.Mode(), advice)
		}
		return nil
	}
}

// explainFolder adds to an error about looking into a folder of key files what to do about it. The error is fs.ErrNotExist only
// where nothing is in the way of making the folder.
func explainFolder(dir string, err error) error {
	if reason := noFolder(dir); reason != nil {
		return reason
	}
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: the folder of key files %s cannot be read: choose another with SHMBUS_DIR", err, dir)
	}
	st, statErr := os.Stat(dir)
	if statErr != nil {
		return fmt.Errorf("%w: a folder above %s, the folder of key files, does not let user %d through: "+
			"chmod it, or choose another with SHMBUS_DIR", err, dir, os.Geteuid())
	}
	return fmt.Errorf("%w: the folder of key files %s has mode %04o, user %d, which does not let user %d look into it: "+
		"chmod +rx it, or choose another with SHMBUS_DIR", err, dir, st.Mode().Perm(), ownerOf(st), os.Geteuid())
}

// prepareFolder makes the folder of key files for a bus of the given mode, if it is missing. Where the bus
// lets others in, they may look into the folder and those made above it, whatever the umask says; a default folder that this
// user made for private buses is opened to them then. A folder that was chosen and exists stays as it is.
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
	if err == nil && ownerOf(st) == os.Geteuid() && (dir == systemDir || isOwnDir(dir)) && trusted(dir) == nil {
		return explainFile(widen(dir, need))
	}
	return nil
}

// makeFolder makes a folder, and those above it, unless it exists. Those that it makes have the permissions needed.
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
