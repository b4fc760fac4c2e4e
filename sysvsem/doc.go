// Package sysvsem gives Go programs System V semaphore sets: semget, semop,
// semtimedop and every command of semctl, on Linux, without cgo.
//
// # Verbs
//
// [Get] creates a set or finds it by key, [FromID] takes an identifier that
// came from elsewhere, [Set.Remove] destroys the set for everybody. A [Set]
// holds nothing but the identifier: it needs no closing, may be copied, and may
// be used by many goroutines at once.
//
// # Operations
//
// An [Op] is laid out as struct sembuf. All operations of one call happen
// together or not at all:
//
//	Op > 0   add Op to the value; never waits
//	Op < 0   wait until the value is at least -Op, then subtract
//	Op == 0  wait until the value is zero
//
// There are four ways to wait, and one that never waits:
//
//	Set.Op(ctx, ops...)           until done, or until the context ends
//	Set.OpTimeout(d, ops...)      until done, or for d; no allocation
//	Set.Wait(d, ops)              the same with a slice the caller keeps
//	Set.WaitSignal(d, ops)        the same; a signal to the thread also ends the wait
//	Set.TryOp(ops)                at once, or ErrWouldBlock; the Go scheduler does not see it
//
// A call that waits occupies one operating system thread meanwhile. Signals, which the Go runtime
// sends to its own threads at any time, interrupt the system call; the package then continues the
// wait for the time that remains.
//
// # How a context ends a wait
//
// Go has no means to end a system call in which a thread waits, but a signal ends it. When the
// context ends, the waiting thread is sent SIGURG. The Go runtime uses that signal for preemption,
// and its handler ignores a SIGURG that the runtime did not send. The kernel never restarts
// semtimedop after a signal handler. A signal that arrives just before the thread enters the kernel
// would be lost, so the signal is repeated, after 100 µs at first and after 10 ms at most, until
// the call has returned. It goes to that thread only, and the call holds the thread until the last
// signal is sent.
//
// In a program that calls signal.Ignore(SIGURG), no signal can end the wait. [Set.Op] refuses to
// wait there, see [ErrUninterruptible].
//
// # Undo
//
// An operation with [Undo] is taken back by the kernel when the process ends, in whatever way it
// ends. The threads of a Go process share one list of undo values, so the end of a goroutine or of
// its thread takes nothing back. A child process starts with an empty list. [Set.CheckUndo] finds
// out whether the kernel takes operations back at all.
//
// [Set.SetVal] and [Set.SetAll] erase the undo values of every process for the
// semaphores they set. Do not use them on a semaphore that carries undo, except
// before anybody uses it.
//
// # Creation
//
// POSIX leaves the values of a new set undefined; Linux makes them zero. Creation and
// initialisation are two steps, and a creator can die between them. A program that creates a set by
// a key that others open should do so under a lock that the kernel releases when the program dies.
// Without a lock, the others wait until Stat().OpTime is not zero: the creator's first operation
// sets it.
//
// # Errors
//
// Operation errors are of type [*Error]. errors.Is finds in them the errno, the
// sentinels of this package, and those of package os where they fit. Where a
// kernel limit is at fault, the text names it, its value, and how to raise it.
// [ErrWouldBlock] and [ErrTimeout] are returned bare, because they are expected
// and must not allocate.
//
// # Other systems
//
// The package compiles on every system, and works on linux/amd64 and linux/arm64. Elsewhere each
// call returns an error that is errors.ErrUnsupported and says so.
package sysvsem
