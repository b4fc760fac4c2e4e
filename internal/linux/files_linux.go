package linux

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Only returns nil on Linux, and an error elsewhere that says "Linux only" and is
// errors.ErrUnsupported.
func Only() error { return nil }

// OpenNamed opens the file that has this very name: it neither follows a symbolic link, nor waits
// for the other end of a pipe. The file stays out of the runtime's poller, which ends the process
// where no file descriptor is left for itself.
func OpenNamed(path string, flags int, perm fs.FileMode) (*os.File, error) {
	flags |= unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK
	fd, err := -1, error(unix.EINTR)
	for err == unix.EINTR {
		fd, err = unix.Open(path, flags, uint32(perm.Perm()))
	}
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// OpenFolder opens a folder, outside the runtime's poller.
func OpenFolder(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// TryLock takes the lock of an open file (flock) for this process alone.
func TryLock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

// TryShare takes the lock of an open file together with others. EWOULDBLOCK says that a process
// has the lock alone.
func TryShare(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) }

// Owner returns the owner of a file, -1 where it is not known.
func Owner(info fs.FileInfo) (uid, gid int) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid), int(st.Gid)
	}
	return -1, -1
}

// Inode returns the inode number of a file, 0 where it is not known.
func Inode(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}

// Device returns the number of the device that a file is on, 0 where it is not known.
func Device(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev)
	}
	return 0
}

// MayChange returns nil if this process, with its effective user, may make and remove files in a
// folder.
func MayChange(dir string) error {
	return unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}
