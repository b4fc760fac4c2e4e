package sysvmsg

import (
	"errors"
	"io"
	"os"
	"syscall"

	"shmbus/internal/sysv"
)

// Error is a failed call.
type Error struct {
	Op  string // system call, and command of msgctl: "msgsnd", "msgctl(IPC_SET)"
	Key Key    // key that Get was called with; Private in other errors
	ID  int    // identifier of the queue; -1 where there is none
	Err error  // a syscall.Errno, or the error of a context

	reason sysv.Reason
}

// Error returns the call, the queue or its key, the reason, and what to do about it.
func (e *Error) Error() string { return object.Text(e.Op, e.Key, e.ID, e.Err, e.reason.Detail) }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the sentinel that this package, or package os or io, has for this
// error. errors.Is compares target with Err as well.
func (e *Error) Is(target error) bool { return e.reason.Is(e.Err, target) }

// Timeout reports whether the error is a context's deadline.
func (e *Error) Timeout() bool { return e.Is(os.ErrDeadlineExceeded) }

// Sentinels for errors.Is. ErrFull and ErrNoMessage are returned as they are; errors.Is finds the
// others in an [*Error].
var (
	// ErrFull: the queue has no room for the message now (EAGAIN).
	ErrFull error = &sysv.Sentinel{Text: "sysvmsg: queue is full", Others: []error{syscall.EAGAIN}}
	// ErrNoMessage: the queue has no such message now (ENOMSG).
	ErrNoMessage error = &sysv.Sentinel{Text: "sysvmsg: no such message in the queue",
		Others: []error{syscall.ENOMSG}}
	// ErrShortBuffer: the chosen message is longer than the buffer and stays in the queue (E2BIG).
	// It is io.ErrShortBuffer.
	ErrShortBuffer = io.ErrShortBuffer
	// ErrTooLarge: the message to be sent is larger than MSGMAX, or larger than the queue may hold
	// (EINVAL).
	ErrTooLarge = errors.New("sysvmsg: message too large")
	// ErrType: a message's type is not above 0, or Except is used with a type that is not (EINVAL).
	ErrType = errors.New("sysvmsg: message type must be above 0")
	// ErrRemoved: the queue was removed, or none with this identifier ever existed (EIDRM, or
	// EINVAL if it has no other cause).
	ErrRemoved = errors.New("sysvmsg: message queue removed")
	// ErrNoSpace: MSGMNI is reached (ENOSPC).
	ErrNoSpace = errors.New("sysvmsg: no space for another queue")
	// ErrUninterruptible: the program ignores SIGURG, so a context could not end the wait. Use a
	// context that never ends, or call signal.Notify for SIGURG; signal.Reset does not end the
	// ignoring.
	ErrUninterruptible = errors.New(
		"sysvmsg: a context cannot end the wait while SIGURG is ignored")
)

// object is what errors call a queue.
var object = sysv.Object{Noun: "queue", Family: "System V message queues", Option: "q",
	SetPerm: "Queue.SetPerm", Removed: ErrRemoved, NoSpace: ErrNoSpace}

func (q *Queue) fail(call string, err error, reason sysv.Reason) error {
	return &Error{Op: call, ID: q.ID(), Err: err, reason: object.Handle(q.ID(), reason)}
}
