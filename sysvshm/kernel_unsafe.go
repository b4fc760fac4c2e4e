//go:build linux

package sysvshm

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"shmbus/internal/sysv"
)

func shmctlLimits(si *shminfo) syscall.Errno {
	_, _, errno := unix.Syscall(unix.SYS_SHMCTL, 0, sysv.Info, uintptr(unsafe.Pointer(si)))
	return errno
}

func shmctlUsage(su *shmUsage) (int, syscall.Errno) {
	last, _, errno := unix.Syscall(unix.SYS_SHMCTL, 0, cmdSHMINFO, uintptr(unsafe.Pointer(su)))
	return int(last), errno
}
