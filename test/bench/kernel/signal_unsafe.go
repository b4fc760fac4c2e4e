package kernel

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// siginfo is siginfo_t of 64-bit machines, for a signal that was queued with a value.
type siginfo struct {
	Signo, Errno, Code int32
	_                  int32
	Pid, Uid           int32
	Value              uint32
	_                  [100]byte
}

// siQueue is SI_QUEUE: sent by sigqueue.
const siQueue = -1

// signalSet returns the set that has one signal.
func signalSet(sig int) *unix.Sigset_t {
	set := new(unix.Sigset_t)
	set.Val[(sig-1)/64] |= 1 << ((sig - 1) % 64)
	return set
}

// queueSignal sends a signal with a value to a thread of a process.
func queueSignal(pid, tid, sig int, value uint32) error {
	info := siginfo{Signo: int32(sig), Code: siQueue, Pid: int32(unix.Getpid()), Value: value}
	_, _, errno := unix.Syscall6(unix.SYS_RT_TGSIGQUEUEINFO, uintptr(pid), uintptr(tid), uintptr(sig), uintptr(unsafe.Pointer(&info)), 0, 0)
	return err(errno)
}

// awaitSignal waits for a blocked signal and returns its value.
func awaitSignal(sig int) (uint32, error) {
	set := uint64(1) << (sig - 1)
	var info siginfo
	_, _, errno := unix.Syscall6(unix.SYS_RT_SIGTIMEDWAIT, uintptr(unsafe.Pointer(&set)), uintptr(unsafe.Pointer(&info)), 0, 8, 0, 0)
	return info.Value, err(errno)
}
