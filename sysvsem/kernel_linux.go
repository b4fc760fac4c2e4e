package sysvsem

import (
	"io/fs"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"shmbus/internal/sysv"
)

func (ds *semidDS) stat(id int) Stat {
	return Stat{
		ID:         id,
		Key:        ds.Perm.Key,
		NSems:      int(ds.Nsems),
		Mode:       fs.FileMode(ds.Perm.Mode).Perm(),
		UID:        int(ds.Perm.Uid),
		GID:        int(ds.Perm.Gid),
		CUID:       int(ds.Perm.Cuid),
		CGID:       int(ds.Perm.Cgid),
		OpTime:     sysv.Time(ds.Otime),
		ChangeTime: sysv.Time(ds.Ctime),
		Seq:        int(ds.Perm.Seq),
	}
}

// readStat reads the record of a set, or of an index of the kernel's table.
func readStat(id, cmd int) (Stat, syscall.Errno) {
	var ds semidDS
	r, errno := semctlDS(id, cmd, &ds)
	if errno != 0 {
		return Stat{}, errno
	}
	if cmd != sysv.Stat {
		id = r
	}
	return ds.stat(id), 0
}

func setPerm(id, uid, gid int, mode fs.FileMode) syscall.Errno {
	var ds semidDS
	if uid == -1 || gid == -1 {
		if _, errno := semctlDS(id, sysv.Stat, &ds); errno != 0 {
			return errno
		}
	}
	sysv.SetOwner(&ds.Perm, uid, gid, mode)
	_, errno := semctlDS(id, sysv.Set, &ds)
	return errno
}

// timespec returns the time for semtimedop, nil if d is negative. ts is the memory for it.
func timespec(ts *unix.Timespec, d time.Duration) *unix.Timespec {
	if d < 0 {
		return nil
	}
	*ts = unix.NsecToTimespec(int64(d))
	return ts
}

// isParent reports whether the calling thread has started a process that still runs or has not been
// waited for. Such a thread must not end, because a process gets the signal for its parent's death
// (Pdeathsig) when the thread that started it ends.
func isParent() (bool, error) {
	const look = unix.WEXITED | unix.WNOHANG | unix.WNOWAIT // without reaping a child
	err := unix.Waitid(unix.P_ALL, 0, nil, look|unix.WNOTHREAD|unix.WALL, nil)
	if err == unix.ECHILD {
		return false, nil
	}
	return err == nil, err
}

// dropUndo detaches the calling thread from the list of undo values that it shares with its
// process. If the thread is the only one that uses its list, the kernel applies the undo values.
func dropUndo() error { return unix.Unshare(unix.CLONE_SYSVSEM) }
