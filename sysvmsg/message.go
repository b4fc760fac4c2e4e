package sysvmsg

import (
	"context"
	"fmt"
	"syscall"

	"shmbus/internal/linux"
	"shmbus/internal/sysv"
)

// A Message is what a queue holds.
type Message struct {
	Type int64  // above 0
	Data []byte // may be empty
}

// ReceiveFlag says how [Queue.Receive] and [Queue.TryReceive] choose and return a message.
type ReceiveFlag int

const (
	// NoError cuts a message that is longer than the buffer (MSG_NOERROR). The rest of the message
	// is lost, and nothing reports that it was cut.
	NoError ReceiveFlag = 0o10000
	// Except chooses the first message whose type is not typ (MSG_EXCEPT).
	Except ReceiveFlag = 0o20000

	msgCopy = 0o40000 // MSG_COPY
)

// Send adds the message to the end of the queue, waiting for room until the context ends.
//
// A nil error means that the message is in the queue or was received, even if the context ended at
// the same time. Any other error means that the message was not sent. If the context ended, the
// error wraps ctx.Err(). Other errors: [ErrType], [ErrTooLarge], [ErrRemoved], os.ErrPermission,
// and EINVAL for a nil context.
func (q *Queue) Send(ctx context.Context, m Message) error {
	if reason, err := sysv.Alive(ctx); err != nil {
		return q.fail("msgsnd", err, reason)
	}
	if err := q.TrySend(m); err != ErrFull {
		return err
	}
	if st, err := q.Stat(); err == nil && len(m.Data) > st.MaxBytes {
		return q.fail("msgsnd", syscall.EINVAL, neverFits(len(m.Data), st.MaxBytes))
	}
	errno, err := q.wait(ctx, "msgsnd", func() syscall.Errno { return msgsnd(q.ID(), m, 0) })
	if err != nil {
		return err
	}
	return q.sendResult(m, errno)
}

// TrySend adds the message to the end of the queue if there is room, and returns [ErrFull]
// otherwise. It has the other errors of [Queue.Send].
func (q *Queue) TrySend(m Message) error {
	if m.Type < 1 {
		return q.fail("msgsnd", syscall.EINVAL, badType(m.Type))
	}
	return q.sendResult(m, msgsnd(q.ID(), m, sysv.NoWait))
}

// Receive removes a message from the queue, waiting for one until the context ends. The package
// comment says which message typ and flags select. The message's data is in buf.
//
// A nil error means that the message was removed, even if the context ended at the same time. Any
// other error means that no message was removed. If the context ended, the error wraps ctx.Err().
// Other errors: [ErrShortBuffer], [ErrType] if [Except] is used with a typ that is not above 0,
// [ErrRemoved], os.ErrPermission, and EINVAL for a nil context or for flags other than [NoError]
// and [Except].
func (q *Queue) Receive(
	ctx context.Context, buf []byte, typ int64, flags ReceiveFlag,
) (Message, error) {
	if reason, err := sysv.Alive(ctx); err != nil {
		return Message{}, q.fail("msgrcv", err, reason)
	}
	m, err := q.TryReceive(buf, typ, flags)
	if err != ErrNoMessage {
		return m, err
	}
	errno, err := q.wait(ctx, "msgrcv", func() (errno syscall.Errno) {
		m, errno = msgrcv(q.ID(), buf, typ, int(flags))
		return errno
	})
	if err != nil {
		return Message{}, err
	}
	return q.receiveResult(m, buf, errno)
}

// TryReceive removes a message from the queue if there is one that typ and flags select, and
// returns [ErrNoMessage] otherwise. It has the arguments and the other errors of [Queue.Receive].
func (q *Queue) TryReceive(buf []byte, typ int64, flags ReceiveFlag) (Message, error) {
	if flags&^(NoError|Except) != 0 {
		return Message{}, q.fail("msgrcv", syscall.EINVAL, badFlags(flags))
	}
	if flags&Except != 0 && typ < 1 {
		return Message{}, q.fail("msgrcv", syscall.EINVAL, exceptType(typ))
	}
	m, errno := msgrcv(q.ID(), buf, typ, int(flags)|sysv.NoWait)
	return q.receiveResult(m, buf, errno)
}

// Copy returns the message at the given place of the queue, 0 for the oldest, and leaves it there.
// The message's data is in buf. [ErrNoMessage] means that the queue holds fewer messages. Other
// errors: [ErrShortBuffer], [ErrRemoved], os.ErrPermission, EINVAL for a negative place, and
// errors.ErrUnsupported where the kernel was built without CONFIG_CHECKPOINT_RESTORE.
func (q *Queue) Copy(buf []byte, place int) (Message, error) {
	if place < 0 {
		return Message{}, q.fail("msgrcv(MSG_COPY)", syscall.EINVAL, sysv.Reason{
			Detail: fmt.Sprintf("place %d: the oldest message has place 0", place)})
	}
	m, errno := msgrcv(q.ID(), buf, int64(place), msgCopy|sysv.NoWait)
	if errno == syscall.ENOSYS || errno == syscall.EINVAL {
		return Message{}, q.copyError(errno)
	}
	return q.receiveResult(m, buf, errno)
}

// wait makes a system call that may wait. It returns the call's error number and nil, or an error
// if ctx ended first or the wait could not be interrupted.
func (q *Queue) wait(
	ctx context.Context, op string, call func() syscall.Errno,
) (syscall.Errno, error) {
	if ctx.Done() != nil && !linux.CanInterrupt() {
		return 0, q.fail(op, syscall.EINTR, sysv.Reason{Kind: ErrUninterruptible,
			Detail: ErrUninterruptible.Error()})
	}
	errno := sysv.Wait(ctx, call)
	if errno == syscall.EINTR {
		return 0, q.fail(op, ctx.Err(), sysv.Reason{})
	}
	return errno, nil
}

func (q *Queue) sendResult(m Message, errno syscall.Errno) error {
	switch errno {
	case 0:
		return nil
	case syscall.EAGAIN:
		return ErrFull
	}
	return q.sendError(len(m.Data), errno)
}

func (q *Queue) receiveResult(m Message, buf []byte, errno syscall.Errno) (Message, error) {
	switch errno {
	case 0:
		return m, nil
	case syscall.ENOMSG:
		return Message{}, ErrNoMessage
	}
	return Message{}, q.receiveError(len(buf), errno)
}
