package sysv

import (
	"errors"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// SetOwner writes the owner and the permission bits into a record for IPC_SET. A uid or gid of -1
// leaves the record's value.
func SetOwner(p *unix.SysvIpcPerm, uid, gid int, mode fs.FileMode) {
	if uid != -1 {
		p.Uid = uint32(uid)
	}
	if gid != -1 {
		p.Gid = uint32(gid)
	}
	p.Mode = uint32(mode.Perm())
}

// Errno returns the error number in an error of package unix, or 0 if the error is nil.
func Errno(err error) syscall.Errno {
	var errno syscall.Errno
	errors.As(err, &errno)
	return errno
}

func errnoName(errno syscall.Errno) string { return unix.ErrnoName(errno) }

func denied(family string) string {
	return "this kernel or sandbox has no " + family + ": see CONFIG_SYSVIPC and the seccomp " +
		"profile (containers, SystemCallFilter= of systemd)"
}

func fileID(path string) (dev, ino uint64, err error) {
	var st unix.Stat_t
	for {
		if err = unix.Stat(path, &st); err != unix.EINTR {
			return uint64(st.Dev), st.Ino, err
		}
	}
}
