package sysv

import (
	"context"
	"runtime"
	"syscall"
	"time"

	"shmbus/internal/linux"
)

// The pause between two signals doubles each time, from firstPause to lastPause.
const (
	firstPause = 100 * time.Microsecond
	lastPause  = 10 * time.Millisecond
)

// Wait makes a system call that waits, and repeats it when a signal interrupts it, until ctx ends.
// It returns the error number of the last call. EINTR means that ctx has ended and that the call
// did nothing.
//
// The goroutine keeps its thread meanwhile. When ctx ends, that thread is sent SIGURG, the signal
// that the Go runtime uses for preemption and whose handler ignores what the runtime did not send.
// The kernel never restarts semtimedop, msgsnd and msgrcv after a signal handler. A signal that
// arrives just before the thread enters the kernel does not end the call, so the signal is repeated
// until the call has returned, after at most lastPause.
func Wait(ctx context.Context, call func() syscall.Errno) syscall.Errno {
	if ctx.Done() == nil {
		for {
			if errno := call(); errno != syscall.EINTR {
				return errno
			}
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	tid := linux.Gettid()
	returned, quiet := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(quiet)
		for pause := firstPause; ; pause = min(2*pause, lastPause) {
			linux.Interrupt(tid) // the thread belongs to the call until quiet is closed
			select {
			case <-returned:
				return
			case <-time.After(pause):
			}
		}
	})
	errno := syscall.EINTR
	for errno == syscall.EINTR && ctx.Err() == nil {
		errno = call()
	}
	close(returned)
	if !stop() {
		<-quiet // no signal may reach the thread when it does something else
	}
	return errno
}
