package sysvshm

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"

	"shmbus/internal/sysv"
)

func shmget(key Key, size, flags int) (int, syscall.Errno) {
	id, err := unix.SysvShmGet(int(key), size, flags)
	return id, sysv.Errno(err)
}

func shmat(id, flags int) ([]byte, syscall.Errno) {
	data, err := unix.SysvShmAttach(id, 0, flags)
	return data, sysv.Errno(err)
}

func shmdt(data []byte) syscall.Errno { return sysv.Errno(unix.SysvShmDetach(data)) }

func dontDump(data []byte) syscall.Errno {
	return sysv.Errno(unix.Madvise(data, unix.MADV_DONTDUMP))
}

// shmctl is for commands without an argument.
func shmctl(id, cmd int) syscall.Errno {
	_, err := unix.SysvShmCtl(id, cmd, nil)
	return sysv.Errno(err)
}

// readStat reads the record of a segment, or of an index of the kernel's table.
func readStat(id, cmd int) (Stat, syscall.Errno) {
	var ds unix.SysvShmDesc
	r, err := unix.SysvShmCtl(id, cmd, &ds)
	if err != nil {
		return Stat{}, sysv.Errno(err)
	}
	if cmd != sysv.Stat {
		id = r
	}
	return Stat{
		ID:         id,
		Key:        ds.Perm.Key,
		Size:       int(ds.Segsz),
		Mode:       fs.FileMode(ds.Perm.Mode).Perm(),
		UID:        int(ds.Perm.Uid),
		GID:        int(ds.Perm.Gid),
		CUID:       int(ds.Perm.Cuid),
		CGID:       int(ds.Perm.Cgid),
		CreatorPID: int(ds.Cpid),
		LastPID:    int(ds.Lpid),
		Attached:   int(ds.Nattch),
		AttachTime: sysv.Time(ds.Atime),
		DetachTime: sysv.Time(ds.Dtime),
		ChangeTime: sysv.Time(ds.Ctime),
		Destroy:    ds.Perm.Mode&modeDest != 0,
		Locked:     ds.Perm.Mode&modeLocked != 0,
		Seq:        int(ds.Perm.Seq),
	}, 0
}

func setPerm(id, uid, gid int, mode fs.FileMode) syscall.Errno {
	var ds unix.SysvShmDesc
	if uid == -1 || gid == -1 {
		if _, err := unix.SysvShmCtl(id, sysv.Stat, &ds); err != nil {
			return sysv.Errno(err)
		}
	}
	sysv.SetOwner(&ds.Perm, uid, gid, mode)
	_, err := unix.SysvShmCtl(id, sysv.Set, &ds)
	return sysv.Errno(err)
}
