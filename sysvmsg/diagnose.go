package sysvmsg

import (
	"fmt"
	"syscall"

	"shmbus/internal/sysv"
)

// gone reports whether there is certainly no queue with the identifier: IPC_STAT returns EINVAL for
// no other reason.
func (q *Queue) gone() bool {
	_, errno := readStat(q.ID(), sysv.Stat)
	return errno == syscall.EINVAL || errno == syscall.EIDRM
}

// ctlError explains a failed command.
func (q *Queue) ctlError(call string, errno syscall.Errno) error {
	return q.fail(call, errno, object.Control(errno, q.gone))
}

// sendError explains a failed msgsnd of size bytes.
func (q *Queue) sendError(size int, errno syscall.Errno) error {
	reason := object.Control(errno, q.gone)
	l, err := Limits()
	switch {
	case errno == syscall.EINVAL && err == nil && size > l.MessageBytes:
		reason = sysv.Reason{Kind: ErrTooLarge, Detail: fmt.Sprintf(
			"%d bytes, MSGMAX allows %d: split the message, or raise it: sysctl -w kernel.msgmax=%[1]d",
			size, l.MessageBytes)}
	case errno == syscall.EPERM:
		reason = object.Denied()
	case errno == syscall.ENOMEM:
		reason.Detail = fmt.Sprintf("the kernel has no memory for a message of %d bytes", size)
	}
	return q.fail("msgsnd", errno, reason)
}

// neverFits explains that a message of size bytes does not fit a queue, even an empty one, because
// the queue may hold only most bytes.
func neverFits(size, most int) sysv.Reason {
	return sysv.Reason{Kind: ErrTooLarge, Detail: fmt.Sprintf(
		"%d bytes, the queue may hold %d: split the message, or raise it with Queue.SetMaxBytes",
		size, most)}
}

func badType(typ int64) sysv.Reason {
	return sysv.Reason{Kind: ErrType, Detail: fmt.Sprintf("type %d: it must be above 0", typ)}
}

func exceptType(typ int64) sysv.Reason {
	return sysv.Reason{Kind: ErrType, Detail: fmt.Sprintf(
		"type %d: Except needs the type that is not wanted, which must be above 0", typ)}
}

func badFlags(flags ReceiveFlag) sysv.Reason {
	return sysv.Reason{Detail: fmt.Sprintf("flags %#o: only NoError and Except are possible; "+
		"TryReceive does not wait, and Copy leaves the message in the queue", int(flags))}
}

// receiveError explains a failed msgrcv into a buffer of size bytes.
func (q *Queue) receiveError(size int, errno syscall.Errno) error {
	reason := object.Control(errno, q.gone)
	switch errno {
	case syscall.E2BIG:
		reason = sysv.Reason{Kind: ErrShortBuffer, Detail: fmt.Sprintf("the message is longer than "+
			"the buffer of %d bytes and stays in the queue: use a larger buffer", size)}
		if l, err := Limits(); err == nil {
			reason.Detail += fmt.Sprintf(" (MSGMAX is %d), or cut it with NoError", l.MessageBytes)
		}
	case syscall.EPERM:
		reason = object.Denied()
	case syscall.ENOMEM:
		reason.Detail = "the kernel has no memory for the call"
	}
	return q.fail("msgrcv", errno, reason)
}

// copyError explains a failed msgrcv with MSG_COPY.
func (q *Queue) copyError(errno syscall.Errno) error {
	reason := object.Control(errno, q.gone)
	switch {
	case errno == syscall.ENOSYS && !q.gone():
		reason.Detail = "this kernel cannot copy messages: it lacks CONFIG_CHECKPOINT_RESTORE"
	case errno == syscall.EINVAL && reason.Kind == nil:
		reason.Detail = "the message is longer than MSGMAX, which was lowered while it was in the " +
			"queue: it can be received, but not copied"
	}
	return q.fail("msgrcv(MSG_COPY)", errno, reason)
}

// getError explains a failed msgget.
func getError(key Key, errno syscall.Errno) error {
	reason := object.Find(errno)
	switch errno {
	case syscall.ENOSPC:
		reason = full()
	case syscall.ENOMEM:
		reason.Detail = "the kernel has no memory for another queue"
	}
	return &Error{Op: "msgget", Key: key, ID: -1, Err: errno, reason: reason}
}

// full says how many queues exist.
func full() sysv.Reason {
	l, err := Limits()
	u, errUsage := Usage()
	if err != nil || errUsage != nil {
		return object.Full("MSGMNI is reached", "")
	}
	return object.Full(fmt.Sprintf("%d queues exist, MSGMNI allows %d", u.Queues, l.Queues),
		fmt.Sprintf("sysctl -w kernel.msgmni=%d", max(l.Queues*2, u.Queues+1)))
}
