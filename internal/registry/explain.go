package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"shmbus/sysvshm"
)

// explainFile adds advice to an error about a key file: what to do next.
func explainFile(err error) error {
	var advice string
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EMFILE):
		advice = "RLIMIT_NOFILE is reached: raise it with ulimit -n, or LimitNOFILE= of systemd"
	case errors.Is(err, syscall.ENFILE):
		advice = "fs.file-max is reached: raise it: sysctl -w fs.file-max=N"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		advice = "the file system of the key files is full: make room, or use another folder: " +
			"SHMBUS_DIR"
	case errors.Is(err, syscall.EROFS):
		advice = "the folder of key files cannot be written: use another one: SHMBUS_DIR"
	case errors.Is(err, fs.ErrPermission):
		advice = "a bus is created and removed only by root, or by the user who owns its key " +
			"file and may write to the folder of key files (SHMBUS_DIR)"
	default:
		return err
	}
	return fmt.Errorf("%w: %s", err, advice)
}

// explainFolder adds advice to an error about reading a folder of key files: what to do next. The
// error is fs.ErrNotExist only if the folder can be made.
func explainFolder(dir string, err error) error {
	if reason := noFolder(dir); reason != nil {
		return reason
	}
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: the folder of key files %s cannot be read: choose another with "+
			"SHMBUS_DIR", err, dir)
	}
	st, statErr := os.Stat(dir)
	if statErr != nil {
		return fmt.Errorf("%w: a folder above %s, the folder of key files, does not let user %d "+
			"through: "+
			"chmod it, or choose another with SHMBUS_DIR", err, dir, os.Geteuid())
	}
	return fmt.Errorf("%w: the folder of key files %s has mode %04o, user %d, which does not let "+
		"user %d look into it: "+
		"chmod +rx it, or choose another with "+
		"SHMBUS_DIR", err, dir, st.Mode().Perm(), ownerOf(st), os.Geteuid())
}

// noFolder returns an error if dir, or a path above it, exists but is not a folder: a link to
// nothing, a link to itself, or a file. It returns nil if dir is a folder, or can be made.
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
			return fmt.Errorf("%s is a symbolic link that leads back to itself: remove it, %s", at,
				advice)
		case errors.Is(err, fs.ErrNotExist):
			target, _ := os.Readlink(at)
			return fmt.Errorf("%s is a symbolic link to %s, which is not there: make that folder "+
				"or remove the link, %s", at, target, advice)
		case err == nil && !st.IsDir():
			return fmt.Errorf("%s is not a folder (%v): remove it, %s", at, st.Mode(), advice)
		}
		return nil
	}
}

// explainAccess adds to the error of a refused attach what the mode of the bus allows.
func (k KeyFile) explainAccess(err error, flags sysvshm.AttachFlag) error {
	st, statErr := sysvshm.FromID(k.ShmID).Stat() // needs permission to read
	switch {
	case statErr != nil:
		return fmt.Errorf("%w (the bus's mode and group decide who may use it: busd --mode, "+
			"--group)", err)
	case flags == sysvshm.ReadWrite:
		return fmt.Errorf("%w: the bus has mode %04o, user %d, group %d, which lets this process "+
			"look (bussub --observe, bus.Observe); "+
			"publishing and subscribing need to write (busd --mode, "+
			"--group)", fs.ErrPermission, st.Mode, st.UID, st.GID)
	}
	return err
}
