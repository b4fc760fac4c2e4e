package sysvsem

import (
	"context"
	"syscall"

	"shmbus/internal/linux"
	"shmbus/internal/sysv"
)

// Op performs all operations together, waiting until they can be done or the context ends.
//
// A nil error means that all operations were done, even if the context ended at the same time. Any
// other error means that none was done. If the context ended, the error wraps ctx.Err().
// [ErrRemoved] means that the set was removed. A nil context is an error (EINVAL).
func (s *Set) Op(ctx context.Context, ops ...Op) error {
	if reason, err := sysv.Alive(ctx); err != nil {
		return s.fail("semop", err, reason)
	}
	if ctx.Done() == nil {
		return s.Wait(-1, ops)
	}
	// Operations that can be done at once need no thread of their own, and no signal that ends a
	// wait.
	if err := s.TryOp(ops); err != ErrWouldBlock {
		return err
	}
	if !linux.CanInterrupt() {
		return s.fail("semop", syscall.EINTR, sysv.Reason{Kind: ErrUninterruptible,
			Detail: ErrUninterruptible.Error()})
	}
	errno := sysv.Wait(ctx, func() syscall.Errno { return semtimedop(s.ID(), ops, -1) })
	if errno == syscall.EINTR {
		return s.fail("semop", ctx.Err(), sysv.Reason{})
	}
	return s.result(ops, errno)
}
