// Package sysvmsg gives Go programs System V message queues: msgget, msgsnd, msgrcv and every
// command of msgctl, on Linux, without cgo.
//
// # Verbs
//
//	Ftok              make a key from a file and a project number
//	Get               create a queue, or find it by its key
//	FromID            take an identifier that came from elsewhere
//	Queue.Send        add a message, waiting for room
//	Queue.TrySend     add a message now, or return ErrFull
//	Queue.Receive     remove a message, waiting for one
//	Queue.TryReceive  remove a message now, or return ErrNoMessage
//	Queue.Copy        read a message that stays in the queue
//	Queue.Remove      destroy the queue and its messages for everybody
//
// A [Queue] holds nothing but the identifier: it needs no closing, may be copied, and may be used
// by many goroutines at once.
//
// # Which message
//
// A message has a type above 0. Receive and TryReceive choose the oldest message in the queue that
// their argument typ selects:
//
//	typ == 0          of any type
//	typ > 0           of that type
//	typ > 0, Except   of any other type
//	typ < 0           of the lowest type that is at most -typ
//
// # Sizes
//
// A message has at most MSGMAX bytes (8192 by default), and a queue at most MSGMNB (16384), without
// the types; [Limits] returns both. A message may have no bytes. A queue that may hold n bytes
// holds at most n messages.
//
// Send returns [ErrTooLarge] for a message that is larger than MSGMAX, or larger than its queue may
// hold; in the second case the kernel would wait until the queue is enlarged. Receive returns
// [ErrShortBuffer] if the chosen message is longer than the buffer. That message stays in the
// queue: receive it with a larger buffer, or with [NoError], which cuts it. A buffer of MSGMAX
// bytes is long enough for every message, unless somebody lowered the limit while the message was
// in the queue.
//
// # How a context ends a wait
//
// The kernel has no timed msgsnd and no timed msgrcv. A call that need not wait needs no signal. A
// call that waits keeps a thread of its own. When the context ends, that thread is sent SIGURG. The
// Go runtime uses that signal for preemption, and its handler ignores a SIGURG that the runtime did
// not send. The kernel never restarts msgsnd and msgrcv after a signal handler. A signal that
// arrives just before the thread enters the kernel is lost, so the signal is repeated, after 100 µs
// at first and after 10 ms at most, until the call has returned. The call therefore ends within 10
// ms after its context, plus the time that its threads need to get a processor; on an idle machine
// it takes some 100 µs.
//
// The signal neither loses nor duplicates a message. The kernel checks for a signal only after it
// has found that a waiting receiver has been given no message, and that a waiting sender's message
// is not in the queue.
//
// The alternatives are worse. Polling with IPC_NOWAIT delays every message. A message of a special
// type, sent by a helper to end the wait, can be received by another process.
//
// In a program that calls signal.Ignore(SIGURG), no signal can end the wait. Send and Receive
// refuse to wait there, see [ErrUninterruptible].
//
// # Lifetime
//
// A queue and its messages outlive every process, until [Queue.Remove] or the end of the IPC
// namespace. A message belongs to the process that received it: if that process dies before it has
// handled the message, the message is gone. A process that dies while it waits takes no message.
//
// # Errors
//
// Operation errors are of type [*Error]. errors.Is finds in them the errno, the sentinels of this
// package, and those of packages os and io where they fit. Where a kernel limit is at fault, the
// text names it, its value, and how to raise it. [ErrFull] and [ErrNoMessage] are returned bare,
// because they are expected and must not allocate.
//
// # Other systems
//
// The package compiles on every system, and works on linux/amd64 and linux/arm64. Elsewhere each
// call returns an error that is errors.ErrUnsupported and says so.
package sysvmsg
