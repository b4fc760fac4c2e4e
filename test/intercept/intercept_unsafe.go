//go:build linux

// Package intercept lets a test answer a process's own system calls in the kernel's place, by a
// seccomp filter with a listener: the code under test does not know. So it meets kernels and
// sandboxes that are not to be had here.
package intercept

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Call is a system call that a thread of this process makes, and waits to have answered.
type Call struct {
	Args [6]uint64
}

// Bytes returns n bytes of memory that an argument points to, to be read or changed.
func (c Call) Bytes(arg, n int) []byte {
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&c.Args[arg])), n)
}

// An Answer is the error that a call ends with, or 0, after a delay. Kernel leaves the call to the
// kernel.
type Answer struct {
	After  time.Duration
	Errno  unix.Errno
	Kernel bool
}

// notification and response are struct seccomp_notif and struct seccomp_notif_resp.
type (
	notification struct {
		id         uint64
		pid, flags uint32
		nr, arch   uint32
		ip         uint64
		args       [6]uint64
	}
	response struct {
		id    uint64
		val   int64
		errno int32
		flags uint32
	}
)

// Calls has every call with the given number answered, in all threads of the process, for good: the
// process is one that the test has started for this. answer runs in one goroutine, and makes no
// such call itself. Calls that a signal interrupts before their answer are made anew, and answered
// twice.
func Calls(number uint32, answer func(Call) Answer) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: number, Jt: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return fmt.Errorf("seccomp filter: %w", errno)
	}
	go serve(fd, answer)
	return nil
}

func serve(listener uintptr, answer func(Call) Answer) {
	ioctl := func(request uintptr, arg unsafe.Pointer) unix.Errno {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, listener, request, uintptr(arg))
		return errno
	}
	for {
		var n notification
		switch errno := ioctl(unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)); errno {
		case 0:
		case unix.EINTR, unix.ENOENT:
			continue
		default:
			panic(fmt.Sprintf("receive from a seccomp listener: %v", errno))
		}
		a := answer(Call{n.args})
		time.Sleep(a.After)
		r := response{id: n.id, errno: -int32(a.Errno)}
		if a.Kernel {
			r.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
		}
		// ENOENT: the caller has been interrupted.
		if errno := ioctl(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r)); errno != 0 && errno != unix.ENOENT {
			panic(fmt.Sprintf("answer a seccomp notification: %v", errno))
		}
	}
}
