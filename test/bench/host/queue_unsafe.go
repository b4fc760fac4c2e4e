package host

import (
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// unlinkQueue removes a POSIX message queue.
func unlinkQueue(name string) unix.Errno {
	b, err := unix.BytePtrFromString(strings.TrimPrefix(name, "/"))
	if err != nil {
		return unix.EINVAL
	}
	_, _, errno := unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(b)), 0, 0)
	return errno
}
