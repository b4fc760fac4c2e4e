package sysvsem

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Error is a failed call.
type Error struct {
	Op  string // system call, and command of semctl: "semop", "semctl(SETVAL)"
	ID  int    // identifier of the set; -1 where there is none
	Err error  // a syscall.Errno, or the error of a context

	kind   error  // sentinel that Err alone does not tell
	detail string // what is at fault, and what to do
}

// Error returns the call, the set, the reason, and what to do about it.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.ID >= 0 {
		fmt.Fprintf(&b, ": set %d", e.ID)
	}
	b.WriteString(": ")
	b.WriteString(e.Err.Error())
	if e.detail != "" {
		b.WriteString(": ")
		b.WriteString(e.detail)
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Is says which sentinels stand for this error, beyond those that Err stands for.
func (e *Error) Is(target error) bool {
	if e.kind != nil && target == e.kind {
		return true
	}
	switch target {
	case ErrRemoved:
		return e.Err == unix.EIDRM
	case ErrRange:
		return e.Err == unix.ERANGE
	case ErrTooManyOps:
		return e.Err == unix.E2BIG
	case ErrNoSpace:
		return e.Err == unix.ENOSPC
	case ErrNoSemaphore:
		return e.Err == unix.EFBIG
	case os.ErrDeadlineExceeded:
		return e.Err == context.DeadlineExceeded
	}
	return false
}

// Timeout reports whether the error is a context's deadline.
func (e *Error) Timeout() bool { return errors.Is(e.Err, context.DeadlineExceeded) }

// Sentinels for errors.Is. ErrWouldBlock, ErrTimeout and ErrInterrupted are returned as they are,
// the others stand for an [*Error].
var (
	// ErrWouldBlock: an operation that must not wait would have to (EAGAIN).
	ErrWouldBlock error = &sentinel{text: "sysvsem: operation would block", is: []error{unix.EAGAIN}}
	// ErrTimeout: the time of a timed wait has passed (EAGAIN, os.ErrDeadlineExceeded).
	ErrTimeout error = &sentinel{text: "sysvsem: wait timed out", is: []error{unix.EAGAIN, os.ErrDeadlineExceeded}}
	// ErrInterrupted: a signal was handled before the operations were done (EINTR).
	ErrInterrupted error = &sentinel{text: "sysvsem: wait interrupted by a signal", is: []error{unix.EINTR}}
	// ErrRemoved: there is no set with this identifier (any more). EIDRM, or EINVAL
	// where that can mean nothing else.
	ErrRemoved = errors.New("sysvsem: semaphore set removed")
	// ErrRange: a value would leave the range of 0 to SEMVMX (ERANGE).
	ErrRange = errors.New("sysvsem: value out of range")
	// ErrTooManyOps: more operations in a call than SEMOPM (E2BIG).
	ErrTooManyOps = errors.New("sysvsem: too many operations in one call")
	// ErrNoSpace: SEMMNI or SEMMNS is reached (ENOSPC).
	ErrNoSpace = errors.New("sysvsem: no space for another set")
	// ErrNoSemaphore: the set has no semaphore with this number (EFBIG; the commands
	// of semctl say EINVAL).
	ErrNoSemaphore = errors.New("sysvsem: no such semaphore in the set")
	// ErrNoUndo: the kernel, or what stands in for it, accepts Undo and does not take the operations back. See
	// Set.CheckUndo.
	ErrNoUndo = errors.New("sysvsem: operations with Undo are not taken back")
	// ErrUninterruptible: the program ignores SIGURG, so a context could not end
	// the wait. Use Set.OpTimeout, or take the Ignore back with signal.Notify, which
	// signal.Reset does not.
	ErrUninterruptible = errors.New("sysvsem: a context cannot end the wait while SIGURG is ignored")
)

// sentinel is an error that stands for others too.
type sentinel struct {
	text string
	is   []error
}

func (e *sentinel) Error() string { return e.text }

func (e *sentinel) Is(target error) bool {
	for _, err := range e.is {
		if err == target {
			return true
		}
	}
	return false
}

// Timeout reports whether the time of a timed wait has passed.
func (e *sentinel) Timeout() bool { return e == ErrTimeout }

func (s *Set) newError(call string, err error, detail string) error {
	return &Error{Op: call, ID: s.id, Err: err, detail: detail}
}

func (s *Set) contextError(err error) error { return s.newError("semop", err, "") }
