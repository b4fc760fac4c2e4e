package sysvmsg

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"

	"shmbus/internal/sysv"
)

// msqidDS is struct msqid64_ds, which is the same on amd64 and arm64.
type msqidDS struct {
	Perm   unix.SysvIpcPerm
	Stime  int64
	Rtime  int64
	Ctime  int64
	Cbytes uint64
	Qnum   uint64
	Qbytes uint64
	Lspid  int32
	Lrpid  int32
	_      [2]uint64
}

// readStat reads the record of a queue, or of an index of the kernel's table.
func readStat(id, cmd int) (Stat, syscall.Errno) {
	var ds msqidDS
	r, errno := msgctlDS(id, cmd, &ds)
	if errno != 0 {
		return Stat{}, errno
	}
	if cmd != sysv.Stat {
		id = r
	}
	return Stat{
		ID:          id,
		Key:         ds.Perm.Key,
		Mode:        fs.FileMode(ds.Perm.Mode).Perm(),
		UID:         int(ds.Perm.Uid),
		GID:         int(ds.Perm.Gid),
		CUID:        int(ds.Perm.Cuid),
		CGID:        int(ds.Perm.Cgid),
		Messages:    int(ds.Qnum),
		Bytes:       int(ds.Cbytes),
		MaxBytes:    int(ds.Qbytes),
		SendPID:     int(ds.Lspid),
		ReceivePID:  int(ds.Lrpid),
		SendTime:    sysv.Time(ds.Stime),
		ReceiveTime: sysv.Time(ds.Rtime),
		ChangeTime:  sysv.Time(ds.Ctime),
		Seq:         int(ds.Perm.Seq),
	}, 0
}

func setPerm(id, uid, gid int, mode fs.FileMode) syscall.Errno {
	return change(id, func(ds *msqidDS) { sysv.SetOwner(&ds.Perm, uid, gid, mode) })
}

func setMaxBytes(id, n int) syscall.Errno {
	return change(id, func(ds *msqidDS) { ds.Qbytes = uint64(n) })
}

// change edits a queue's record. It reads the record first, because IPC_SET writes every field that
// can be changed.
func change(id int, edit func(*msqidDS)) syscall.Errno {
	ds, errno := readDS(id)
	if errno != 0 {
		return errno
	}
	edit(&ds)
	_, errno = msgctlDS(id, sysv.Set, &ds)
	return errno
}

// readDS reads a queue's record, even if the permission bits forbid the caller, such as the owner,
// to read it.
func readDS(id int) (ds msqidDS, errno syscall.Errno) {
	if _, errno = msgctlDS(id, sysv.Stat, &ds); errno != unix.EACCES {
		return ds, errno
	}
	usage, err := Usage()
	if err != nil {
		return ds, errno
	}
	for i := 0; i <= usage.MaxIndex; i++ {
		if got, errno := msgctlDS(i, cmdMSGSTATANY, &ds); errno == 0 && got == id {
			return ds, 0
		}
	}
	return ds, errno
}

func msgctlRemove(id int) syscall.Errno {
	_, errno := msgctlDS(id, sysv.Remove, nil)
	return errno
}
