package linux

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Signals that not every system has.
const (
	SIGCONT  = unix.SIGCONT
	SIGSTOP  = unix.SIGSTOP
	SIGWINCH = unix.SIGWINCH
)

// Gettid returns the calling thread's number.
func Gettid() int { return unix.Gettid() }

// Interrupt sends a thread of this process SIGURG, the signal that Go's runtime uses and otherwise
// ignores: if the thread waits in the kernel, it returns.
func Interrupt(tid int) { _ = unix.Tgkill(os.Getpid(), tid, unix.SIGURG) }

// CanInterrupt reports whether interrupting a thread has an effect: it has none while the program
// ignores SIGURG.
func CanInterrupt() bool { return !signal.Ignored(unix.SIGURG) }

// Commands of membarrier(2).
const (
	privateExpedited         = 1 << 3
	registerPrivateExpedited = 1 << 4
)

// RegisterBarrier tells the kernel that this process is going to call Barrier. It reports whether
// the kernel has such barriers.
func RegisterBarrier() bool { return membarrier(registerPrivateExpedited) }

// Barrier makes all running threads of this process pass a full memory barrier. It reports whether
// they have.
func Barrier() bool { return membarrier(privateExpedited) }

func membarrier(command uintptr) bool {
	_, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, command, 0, 0)
	return errno == 0
}

// Nanosleep passes a time in the kernel, without the runtime's timers. A signal ends it early.
func Nanosleep(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil)
}

// Monotonic returns CLOCK_MONOTONIC, which all processes of a machine share, 0 where it cannot be
// read.
func Monotonic() time.Duration { return clock(unix.CLOCK_MONOTONIC) }

// CPUTime returns the processor time that this process has used, 0 where it cannot be read.
func CPUTime() time.Duration { return clock(unix.CLOCK_PROCESS_CPUTIME_ID) }

func clock(id int32) time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(id, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// NewSession has a process start in a session of its own, away from the terminal's signals.
func NewSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// AwaitStop waits until a child of this process is stopped or has ended, and takes nothing from
// who waits for its end.
func AwaitStop(pid int) {
	const until = unix.WSTOPPED | unix.WEXITED | unix.WNOWAIT
	for unix.Waitid(unix.P_PID, pid, nil, until, nil) == unix.EINTR {
	}
}

// Alive reports whether there is a process with this number.
func Alive(pid int) bool { return unix.Kill(pid, 0) != syscall.ESRCH }
