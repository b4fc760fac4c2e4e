//go:build linux

package sysvsem

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func semget(key Key, nsems, flags int) (int, syscall.Errno) {
	id, _, errno := unix.Syscall(unix.SYS_SEMGET, uintptr(key), uintptr(nsems), uintptr(flags))
	return int(id), errno
}

// semtimedop may block; d < 0 means for ever.
func semtimedop(id int, ops []Op, d time.Duration) syscall.Errno {
	var ts unix.Timespec
	_, _, errno := unix.Syscall6(unix.SYS_SEMTIMEDOP, uintptr(id),
		uintptr(unsafe.Pointer(unsafe.SliceData(ops))), uintptr(len(ops)),
		uintptr(unsafe.Pointer(timespec(&ts, d))), 0, 0)
	return errno
}

// trySemop must be given operations that all have NoWait: the scheduler does not know that the
// thread is in the kernel.
func trySemop(id int, ops []Op) syscall.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_SEMOP, uintptr(id),
		uintptr(unsafe.Pointer(unsafe.SliceData(ops))), uintptr(len(ops)))
	return errno
}

// semctl is for commands whose argument is a number, or that have none.
func semctl(id, n, cmd, arg int) (int, syscall.Errno) {
	r, _, errno := unix.Syscall6(unix.SYS_SEMCTL,
		uintptr(id), uintptr(n), uintptr(cmd), uintptr(arg), 0, 0)
	return int(r), errno
}

func semctlDS(id, cmd int, ds *semidDS) (int, syscall.Errno) {
	r, _, errno := unix.Syscall6(unix.SYS_SEMCTL,
		uintptr(id), 0, uintptr(cmd), uintptr(unsafe.Pointer(ds)), 0, 0)
	return int(r), errno
}

// semctlValues needs room for every semaphore of the set: the kernel is not told how many fit.
func semctlValues(id, cmd int, values []uint16) syscall.Errno {
	_, _, errno := unix.Syscall6(unix.SYS_SEMCTL, uintptr(id), 0, uintptr(cmd),
		uintptr(unsafe.Pointer(unsafe.SliceData(values))), 0, 0)
	return errno
}

func semctlInfo(cmd int, info *seminfo) (int, syscall.Errno) {
	r, _, errno := unix.Syscall6(unix.SYS_SEMCTL,
		0, 0, uintptr(cmd), uintptr(unsafe.Pointer(info)), 0, 0)
	return int(r), errno
}
