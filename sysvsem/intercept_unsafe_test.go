package sysvsem_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An interceptor answers the calls of semtimedop that one thread makes, in the kernel's place, as long as it
// has answers. It is a seccomp filter with a listener: the code under test does not know.
type interceptor struct {
	listener int

	mu      sync.Mutex
	answers []answer
	calls   int
}

// An answer is the error that a call returns after a delay. An errno of 0 leaves the call to the kernel.
type answer struct {
	after time.Duration
	errno unix.Errno
}

// intercept begins with the calling goroutine's thread, for good: the process is to end soon.
func intercept() (*interceptor, error) {
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("no_new_privs: %w", err)
	}
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_SEMTIMEDOP, Jt: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return nil, fmt.Errorf("seccomp filter: %w", errno)
	}
	i := &interceptor{listener: int(fd)}
	go i.serve()
	return i, nil
}

// next gives the calls that follow these answers.
func (i *interceptor) next(answers ...answer) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answers, i.calls = answers, 0
}

// seen returns how many calls there were since next.
func (i *interceptor) seen() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.calls
}

// notification and response are struct seccomp_notif and seccomp_notif_resp.
type notification struct {
	id         uint64
	pid, flags uint32
	data       [64]byte
}

type response struct {
	id    uint64
	val   int64
	errno int32
	flags uint32
}

func (i *interceptor) serve() {
	for {
		var n notification
		if errno := i.ioctl(unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)); errno == unix.EINTR || errno == unix.ENOENT {
			continue
		} else if errno != 0 {
			panic(fmt.Sprintf("receive from seccomp listener: %v", errno))
		}
		i.mu.Lock()
		var a answer
		if len(i.answers) > 0 {
			a, i.answers = i.answers[0], i.answers[1:]
		}
		i.calls++
		i.mu.Unlock()
		time.Sleep(a.after)
		r := response{id: n.id, errno: -int32(a.errno)}
		if a.errno == 0 {
			r.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
		}
		if errno := i.ioctl(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r)); errno != 0 && !errors.Is(errno, unix.ENOENT) {
			panic(fmt.Sprintf("answer a seccomp notification: %v", errno))
		}
	}
}

func (i *interceptor) ioctl(request uintptr, arg unsafe.Pointer) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(i.listener), request, uintptr(arg))
	return errno
}
