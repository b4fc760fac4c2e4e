package kernel

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// mqAttr is struct mq_attr.
type mqAttr struct {
	Flags, Maxmsg, Msgsize, Curmsgs int64
	_                               [4]int64
}

// mqOpen opens the queue with the given name, which to the kernel has no slash in front.
func mqOpen(name string, flags int, attr *mqAttr) (int, error) {
	p, bad := unix.BytePtrFromString(name)
	if bad != nil {
		return -1, bad
	}
	fd, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(p)), uintptr(flags|unix.O_CLOEXEC), 0o600, uintptr(unsafe.Pointer(attr)), 0, 0)
	return int(fd), err(errno)
}

func mqUnlink(name string) error {
	p, bad := unix.BytePtrFromString(name)
	if bad != nil {
		return bad
	}
	_, _, errno := unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(p)), 0, 0)
	return err(errno)
}

func mqSend(fd int, b []byte) error {
	_, _, errno := unix.Syscall6(unix.SYS_MQ_TIMEDSEND, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
	return err(errno)
}

func mqReceive(fd int, b []byte) (int, error) {
	n, _, errno := unix.Syscall6(unix.SYS_MQ_TIMEDRECEIVE, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
	return int(n), err(errno)
}
