package sysvsem

import (
	"syscall"
	"time"

	"shmbus/internal/sysv"
)

// Op is one operation on one semaphore of a set. It is laid out as struct sembuf, so a []Op is
// passed to the kernel without a copy.
type Op struct {
	Num   uint16 // index of the semaphore in the set, from 0
	Op    int16  // added if positive, awaited and subtracted if negative, 0 waits for zero
	Flags int16  // NoWait, Undo
}

// Flags of an [Op].
const (
	// NoWait makes the whole call fail with ErrWouldBlock if this operation would
	// have to wait.
	NoWait int16 = sysv.NoWait
	// Undo has the kernel take the operation back when the process ends.
	Undo int16 = 0x1000
)

// P returns the operation that waits until semaphore n is above zero and subtracts one.
func P(n uint16) Op { return Op{Num: n, Op: -1} }

// V returns the operation that adds one to semaphore n.
func V(n uint16) Op { return Op{Num: n, Op: 1} }

// Zero returns the operation that waits until semaphore n is zero.
func Zero(n uint16) Op { return Op{Num: n} }

// With returns the operation with flags added: P(0).With(Undo).
func (o Op) With(flags int16) Op {
	o.Flags |= flags
	return o
}

// TryOp performs all operations at once if none has to wait, and returns
// [ErrWouldBlock] otherwise, as if every one had [NoWait].
//
// It is cheap, because it does not tell the Go scheduler that it is in a system call, and because
// neither success nor ErrWouldBlock allocates. Use it to wake others.
func (s *Set) TryOp(ops []Op) error {
	if allNoWait(ops) {
		return s.result(ops, trySemop(s.ID(), ops))
	}
	if len(ops) <= fewOps {
		return s.result(ops, s.tryFew(ops))
	}
	return s.result(ops, s.tryMany(ops))
}

// TryOp copies operations to the stack if they lack NoWait: up to fewOps into a small array, more
// into a large one. The large one takes longer to clear; its size is the default SEMOPM.
const (
	fewOps  = 16
	manyOps = 500
)

func (s *Set) tryFew(ops []Op) syscall.Errno {
	var buf [fewOps]Op
	return trySemop(s.ID(), appendNoWait(buf[:0], ops))
}

//go:noinline
func (s *Set) tryMany(ops []Op) syscall.Errno {
	var buf [manyOps]Op
	return trySemop(s.ID(), appendNoWait(buf[:0], ops))
}

func appendNoWait(dst, ops []Op) []Op {
	dst = append(dst, ops...)
	for i := range dst {
		dst[i].Flags |= NoWait
	}
	return dst
}

// OpTimeout performs all operations together, waiting for at most d; d < 0 waits
// for as long as it takes, and d == 0 does not wait.
//
// [ErrTimeout], which is os.ErrDeadlineExceeded, says that the time has passed
// and nothing was done. The time is measured by the monotonic clock and does not
// start again when a signal interrupts the wait. [ErrRemoved] says that the set
// was removed. Nothing is allocated on success, on ErrTimeout or on ErrWouldBlock.
//
// An operation with [NoWait] that cannot be done ends the wait with [ErrWouldBlock]. If a call
// mixes such operations with others that may wait, ErrWouldBlock can also mean that the time has
// passed: Linux up to 5.18 may end the wait up to one clock tick (at most 10 ms) early, and its
// error number does not tell the two cases apart.
func (s *Set) OpTimeout(d time.Duration, ops ...Op) error { return s.Wait(d, ops) }

// Wait is like [Set.OpTimeout], with the operations in a slice that the caller keeps and that Wait
// does not change.
func (s *Set) Wait(d time.Duration, ops []Op) error { return s.wait(d, ops, false) }

// WaitSignal is like [Set.Wait], but returns [ErrInterrupted], with nothing done, when the waiting
// thread handles a signal.
func (s *Set) WaitSignal(d time.Duration, ops []Op) error { return s.wait(d, ops, true) }

func (s *Set) wait(d time.Duration, ops []Op, signals bool) error {
	var start time.Time
	if d >= 0 {
		start = time.Now()
	}
	left := d
	for {
		errno := semtimedop(s.ID(), ops, left)
		switch {
		case errno == syscall.EINTR && signals:
			return ErrInterrupted
		case errno == syscall.EINTR:
		case errno == syscall.EAGAIN && d >= 0 && time.Since(start) >= d:
			return ErrTimeout
		case errno == syscall.EAGAIN && d >= 0 && !anyNoWait(ops):
			// Linux up to 5.18 counts the time in clock ticks from the previous tick, so its timer
			// fires up to a tick early. The wait goes on until the deadline has passed.
		default:
			return s.result(ops, errno)
		}
		if d >= 0 {
			left = max(d-time.Since(start), 0)
		}
	}
}

// result returns the error for the error number of an operation. Expected errors are
// sentinels. opError makes all others, so that the frequent path stays small.
func (s *Set) result(ops []Op, errno syscall.Errno) error {
	switch errno {
	case 0:
		return nil
	case syscall.EAGAIN:
		return ErrWouldBlock
	}
	return s.opError(ops, errno)
}

func allNoWait(ops []Op) bool {
	for i := range ops {
		if ops[i].Flags&NoWait == 0 {
			return false
		}
	}
	return true
}

func anyNoWait(ops []Op) bool {
	for i := range ops {
		if ops[i].Flags&NoWait != 0 {
			return true
		}
	}
	return false
}
