package sysvshm

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Error is a failed call.
type Error struct {
	Op  string // system call, and command of shmctl: "shmget", "shmctl(IPC_SET)"
	ID  int    // identifier of the segment; -1 where there is none
	Err error  // a syscall.Errno

	kind   error  // sentinel that Err alone does not tell
	detail string // what is at fault, and what to do
}

// Error returns the call, the segment, the reason, and what to do about it.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.ID >= 0 {
		fmt.Fprintf(&b, ": segment %d", e.ID)
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
	case ErrNoSpace:
		return e.Err == unix.ENOSPC
	}
	return false
}

// Sentinels for errors.Is; they stand for an [*Error].
var (
	// ErrRemoved: there is no segment with this identifier (any more). EIDRM, or EINVAL
	// where that can mean nothing else.
	ErrRemoved = errors.New("sysvshm: segment removed")
	// ErrNoSpace: SHMMNI or SHMALL is reached (ENOSPC).
	ErrNoSpace = errors.New("sysvshm: no space for another segment")
	// ErrTooLarge: the size is above SHMMAX, or above that of the existing segment (EINVAL).
	ErrTooLarge = errors.New("sysvshm: segment size too large")
	// ErrNoHugePages: the system has none free, or none of that size, or the caller
	// may not use them (ENOMEM, EINVAL, EPERM).
	ErrNoHugePages = errors.New("sysvshm: no huge pages")
)
