package host

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"shmbus/test/bench/worker"
)

// A tracer steps through a thread of a worker between marks. It is for one operating-system thread.
// The thread that it traces is not the first of its process: to whoever waits for that to end, its
// stops would look like it.
type tracer struct {
	tid   int
	kinds map[uint64]kind // by address
}

// trace starts a goroutine that attaches to the thread, says so or fails, and says later what it
// counted between n pairs of marks. It shares the thread's processor, one of cpus: from another one
// each step takes so long that the Go runtime interrupts a few hundred.
func trace(tid, n int, cpus []int) (attached chan error, counted chan traced) {
	attached, counted = make(chan error, 1), make(chan traced, 1)
	go pinned(cpus, func() error {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		t := &tracer{tid, map[uint64]kind{}}
		err := t.attach()
		attached <- err
		if err != nil {
			return err
		}
		var c traced
		for len(c.pairs) < n && c.err == nil {
			var s Steps
			s, c.err = t.pair()
			c.pairs = append(c.pairs, s)
		}
		c.err = errors.Join(c.err, syscall.PtraceDetach(tid))
		counted <- c
		return c.err
	})
	return attached, counted
}

func (t *tracer) attach() error {
	if err := syscall.PtraceAttach(t.tid); err != nil {
		return fmt.Errorf("%w: ptrace: %w", worker.ErrSkipped, err)
	}
	if _, err := t.stopped(); err != nil {
		return err
	}
	return syscall.PtraceSetOptions(t.tid, syscall.PTRACE_O_TRACESYSGOOD)
}

// stopped waits for the thread to stop and returns the signal.
func (t *tracer) stopped() (syscall.Signal, error) {
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(t.tid, &status, unix.WALL, nil)
		if err == syscall.EINTR {
			continue
		}
		if err == nil && !status.Stopped() {
			err = fmt.Errorf("it ended while it was traced")
		}
		return status.StopSignal(), err
	}
}

// pair counts what the thread executes between the next two marks.
func (t *tracer) pair() (s Steps, err error) {
	if err := t.toMark(); err != nil {
		return s, err
	}
	var last uint64
	for {
		var regs syscall.PtraceRegs
		if err := syscall.PtraceGetRegs(t.tid, &regs); err != nil {
			return s, err
		}
		k, err := t.kind(regs.Rip)
		if err != nil {
			return s, err
		}
		if regs.Rip != last { // a repeated instruction stops each time
			s.add(k)
		}
		last = regs.Rip
		if err := t.step(); err != nil || k.call && regs.Rax == unix.SYS_GETPPID {
			return s, err
		}
	}
}

// toMark lets the thread run until it is behind a mark.
func (t *tracer) toMark() error {
	const atSyscall = syscall.SIGTRAP | 0x80
	signal := syscall.Signal(0)
	for marks := 0; marks < 2; { // into it and out of it
		if err := syscall.PtraceSyscall(t.tid, int(signal)); err != nil {
			return err
		}
		var err error
		if signal, err = t.stopped(); err != nil {
			return err
		}
		if signal != atSyscall {
			continue
		}
		signal = 0
		var regs syscall.PtraceRegs
		if err := syscall.PtraceGetRegs(t.tid, &regs); err != nil {
			return err
		}
		if regs.Orig_rax == unix.SYS_GETPPID {
			marks++
		}
	}
	return nil
}

// step has the thread do one instruction. Signals, by which the Go runtime asks for a pause, are
// kept from it.
func (t *tracer) step() error {
	for {
		if err := syscall.PtraceSingleStep(t.tid); err != nil {
			return err
		}
		signal, err := t.stopped()
		if err != nil || signal == syscall.SIGTRAP {
			return err
		}
	}
}

func (t *tracer) kind(address uint64) (kind, error) {
	k, ok := t.kinds[address]
	if !ok {
		var code [16]byte
		n, err := syscall.PtracePeekText(t.tid, uintptr(address), code[:])
		if err != nil {
			return k, err
		}
		k = kindOf(code[:n])
		t.kinds[address] = k
	}
	return k, nil
}
