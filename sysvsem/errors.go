package sysvsem

import (
	"errors"
	"os"
	"syscall"

	"shmbus/internal/sysv"
)

// Error is a failed call.
type Error struct {
	Op  string // system call, and command of semctl: "semop", "semctl(SETVAL)"
	Key Key    // key that Get was called with; Private in other errors
	ID  int    // identifier of the set; -1 where there is none
	Err error  // a syscall.Errno, or the error of a context

	reason sysv.Reason
}

// Error returns the call, the set or its key, the reason, and what to do about it.
func (e *Error) Error() string { return object.Text(e.Op, e.Key, e.ID, e.Err, e.reason.Detail) }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the sentinel that this package, or package os, has for this error.
// errors.Is compares target with Err as well.
func (e *Error) Is(target error) bool { return e.reason.Is(e.Err, target) }

// Timeout reports whether the error is a context's deadline.
func (e *Error) Timeout() bool { return e.Is(os.ErrDeadlineExceeded) }

// Sentinels for errors.Is. ErrWouldBlock, ErrTimeout and ErrInterrupted are returned as they are;
// errors.Is finds the others in an [*Error].
var (
	// ErrWouldBlock: an operation that must not wait would have to wait (EAGAIN).
	ErrWouldBlock error = &sysv.Sentinel{Text: "sysvsem: operation would block",
		Others: []error{syscall.EAGAIN}}
	// ErrTimeout: the time of a timed wait has passed (EAGAIN, os.ErrDeadlineExceeded).
	ErrTimeout error = &sysv.Sentinel{Text: "sysvsem: wait timed out",
		Others: []error{syscall.EAGAIN, os.ErrDeadlineExceeded}}
	// ErrInterrupted: a signal was handled before the operations were done (EINTR).
	ErrInterrupted error = &sysv.Sentinel{Text: "sysvsem: wait interrupted by a signal",
		Others: []error{syscall.EINTR}}
	// ErrRemoved: the set was removed, or none with this identifier ever existed (EIDRM, or EINVAL
	// if it has no other cause).
	ErrRemoved = errors.New("sysvsem: semaphore set removed")
	// ErrRange: a value would leave the range of 0 to SEMVMX (ERANGE).
	ErrRange = errors.New("sysvsem: value out of range")
	// ErrTooManyOps: a call has more operations than SEMOPM allows (E2BIG).
	ErrTooManyOps = errors.New("sysvsem: too many operations in one call")
	// ErrNoSpace: SEMMNI or SEMMNS is reached (ENOSPC).
	ErrNoSpace = errors.New("sysvsem: no space for another set")
	// ErrNoSemaphore: the set has no semaphore with this number (EFBIG; the commands of semctl say
	// EINVAL).
	ErrNoSemaphore = errors.New("sysvsem: no such semaphore in the set")
	// ErrNoUndo: the kernel, or a replacement for it such as gVisor, accepts Undo but does not take
	// the operations back. See Set.CheckUndo.
	ErrNoUndo = errors.New("sysvsem: operations with Undo are not taken back")
	// ErrUninterruptible: the program ignores SIGURG, so a context could not end the wait. Use
	// Set.OpTimeout, or call signal.Notify for SIGURG; signal.Reset does not end the ignoring.
	ErrUninterruptible = errors.New(
		"sysvsem: a context cannot end the wait while SIGURG is ignored")
)

// object is what errors call a set.
var object = sysv.Object{Noun: "set", Family: "System V semaphores", Option: "s",
	SetPerm: "Set.SetPerm", Removed: ErrRemoved, NoSpace: ErrNoSpace}

func (s *Set) fail(call string, err error, reason sysv.Reason) error {
	return &Error{Op: call, ID: s.ID(), Err: err, reason: object.Handle(s.ID(), reason)}
}
