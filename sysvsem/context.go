package sysvsem

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// forever is a timeout in seconds that no wait lives to see, and that the kernel
// can still add to its clock.
const forever = 1 << 32

// Op performs all operations together, waiting until they can be done or the
// context ends.
//
// A nil error means that the operations were done, also when the context ended
// at the same time; any other means that none was. When the context ended, the
// error wraps ctx.Err(). [ErrRemoved] says that the set was removed.
func (s *Set) Op(ctx context.Context, ops ...Op) error {
	if err := ctx.Err(); err != nil {
		return s.contextError(err)
	}
	if ctx.Done() == nil {
		return s.Wait(-1, ops)
	}
	// What can be done at once needs no thread and no arrangement to wake it.
	if err := s.TryOp(ops); err != ErrWouldBlock {
		return err
	}
	if signal.Ignored(unix.SIGURG) {
		return s.newError("semop", ErrUninterruptible, "")
	}
	return s.waitContext(ctx, ops)
}

// waitContext waits on a thread of its own; see the package comment for why one
// signal is enough.
func (s *Set) waitContext(ctx context.Context, ops []Op) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	// Written to zero by interrupt, read by the kernel at each entry.
	timeout := &unix.Timespec{Sec: forever}
	interrupted := make(chan struct{})
	tid := unix.Gettid()
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		atomic.StoreInt64(&timeout.Sec, 0)
		// Cannot fail: the thread is ours until interrupted is closed.
		_ = unix.Tgkill(os.Getpid(), tid, unix.SIGURG)
	})

	errno := unix.EINTR
	for errno == unix.EINTR || errno == unix.EAGAIN && ctx.Err() == nil && !anyNoWait(ops) {
		errno = semtimedop(s.id, ops, timeout)
	}
	if !stop() {
		// The signal must not find the thread doing something else.
		<-interrupted
		if errno == unix.EAGAIN {
			return s.contextError(ctx.Err())
		}
	}
	return s.result(ops, errno)
}
