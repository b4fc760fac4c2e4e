package sysvshm

import (
	"errors"
	"syscall"

	"shmbus/internal/sysv"
)

// Error is a failed call.
type Error struct {
	Op  string // system call, and command of shmctl: "shmget", "shmctl(IPC_SET)"
	Key Key    // key that Get was called with; Private in other errors
	ID  int    // identifier of the segment; -1 where there is none
	Err error  // a syscall.Errno

	reason sysv.Reason
}

// Error returns the call, the segment or its key, the reason, and what to do about it.
func (e *Error) Error() string { return object.Text(e.Op, e.Key, e.ID, e.Err, e.reason.Detail) }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the sentinel that this package, or package os, has for this error.
// errors.Is compares target with Err as well.
func (e *Error) Is(target error) bool { return e.reason.Is(e.Err, target) }

// Sentinels, which errors.Is finds in an [*Error].
var (
	// ErrRemoved: the segment was removed, or none with this identifier ever existed (EIDRM, or
	// EINVAL if it has no other cause).
	ErrRemoved = errors.New("sysvshm: segment removed")
	// ErrNoSpace: SHMMNI or SHMALL is reached (ENOSPC).
	ErrNoSpace = errors.New("sysvshm: no space for another segment")
	// ErrTooLarge: the size is above SHMMAX, or above that of the existing segment (EINVAL).
	ErrTooLarge = errors.New("sysvshm: segment size too large")
	// ErrNoHugePages: the system has none free, or none of that size, or the caller may not use
	// them (ENOMEM, EINVAL, EPERM).
	ErrNoHugePages = errors.New("sysvshm: no huge pages")
)

// object is what errors call a segment.
var object = sysv.Object{Noun: "segment", Family: "System V shared memory", Option: "m",
	SetPerm: "Segment.SetPerm", Removed: ErrRemoved, NoSpace: ErrNoSpace}

func fail(call string, id int, errno syscall.Errno, reason sysv.Reason) error {
	return &Error{Op: call, ID: id, Err: errno, reason: object.Handle(id, reason)}
}
