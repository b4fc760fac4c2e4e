package kernel

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// msqid is struct msqid64_ds of 64-bit machines.
type msqid struct {
	Perm struct {
		Key                  int32
		Uid, Gid, Cuid, Cgid uint32
		Mode                 uint32
		Seq                  uint16
		_                    [2]uint16
		_                    uint32
		_                    [2]uint64
	}
	Stime, Rtime, Ctime  int64
	Cbytes, Qnum, Qbytes uint64
	Lspid, Lrpid         int32
	_                    [2]uint64
}

func msgget(key, flags int) (int, error) {
	id, _, errno := unix.Syscall(unix.SYS_MSGGET, uintptr(key), uintptr(flags), 0)
	return int(id), err(errno)
}

func msgctl(id, cmd int, ds *msqid) error {
	_, _, errno := unix.Syscall(unix.SYS_MSGCTL, uintptr(id), uintptr(cmd), uintptr(unsafe.Pointer(ds)))
	return err(errno)
}

// msgsnd sends b, whose first 8 bytes are the type.
func msgsnd(id int, b []byte, flags int) error {
	_, _, errno := unix.Syscall6(unix.SYS_MSGSND, uintptr(id), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)-8), uintptr(flags), 0, 0)
	return err(errno)
}

// msgrcv receives into b, type included, and returns the bytes behind the type.
func msgrcv(id int, b []byte, kind, flags int) (int, error) {
	n, _, errno := unix.Syscall6(unix.SYS_MSGRCV, uintptr(id), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)-8), uintptr(kind), uintptr(flags), 0)
	return int(n), err(errno)
}

// err keeps a zero errno from becoming an error that is not nil.
func err(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	if errno == unix.ENOMSG {
		return unix.EAGAIN // nothing there, as others say it
	}
	return errno
}
