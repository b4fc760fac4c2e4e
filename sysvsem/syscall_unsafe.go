package sysvsem

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

func semget(key Key, nsems, flags int) (int, unix.Errno) {
	id, _, errno := unix.Syscall(unix.SYS_SEMGET, uintptr(key), uintptr(nsems), uintptr(flags))
	return int(id), errno
}

// semtimedop may block; timeout nil means for ever.
func semtimedop(id int, ops []Op, timeout *unix.Timespec) unix.Errno {
	_, _, errno := unix.Syscall6(unix.SYS_SEMTIMEDOP, uintptr(id),
		uintptr(unsafe.Pointer(unsafe.SliceData(ops))), uintptr(len(ops)),
		uintptr(unsafe.Pointer(timeout)), 0, 0)
	return errno
}

// trySemop must be given operations that all have NoWait: the scheduler does not
// know that the thread is in the kernel.
func trySemop(id int, ops []Op) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_SEMOP, uintptr(id),
		uintptr(unsafe.Pointer(unsafe.SliceData(ops))), uintptr(len(ops)))
	return errno
}

// semctl is for commands whose argument is a number, or none.
func semctl(id, n, cmd, arg int) (int, unix.Errno) {
	r, _, errno := unix.Syscall6(unix.SYS_SEMCTL, uintptr(id), uintptr(n), uintptr(cmd), uintptr(arg), 0, 0)
	return int(r), errno
}

func semctlDS(id, cmd int, ds *semidDS) (int, unix.Errno) {
	r, _, errno := unix.Syscall6(unix.SYS_SEMCTL, uintptr(id), 0, uintptr(cmd), uintptr(unsafe.Pointer(ds)), 0, 0)
	return int(r), errno
}

// semctlValues needs room for every semaphore of the set: the kernel is not told
// how many fit.
func semctlValues(id, cmd int, values []uint16) unix.Errno {
	_, _, errno := unix.Syscall6(unix.SYS_SEMCTL, uintptr(id), 0, uintptr(cmd),
		uintptr(unsafe.Pointer(unsafe.SliceData(values))), 0, 0)
	return errno
}

func semctlInfo(cmd int, info *seminfo) (int, unix.Errno) {
	r, _, errno := unix.Syscall6(unix.SYS_SEMCTL, 0, 0, uintptr(cmd), uintptr(unsafe.Pointer(info)), 0, 0)
	return int(r), errno
}
