//go:build linux

package process

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"shmbus/internal/testproc"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// envTraced says that a worker is traced.
const envTraced = "SHMBUS_TEST_TRACED"

// markerWho makes getpriority a system call that says nothing but where a traced worker is.
const markerWho = 0x7e57

// mark tells the tracer that the worker has reached point n.
//
//go:noinline
func mark(n int) { unix.RawSyscall(unix.SYS_GETPRIORITY, markerWho, uintptr(n), 0) }

// A tracee is a worker whose first thread runs only as far as the test lets it. Its methods must be
// called by the goroutine that started it, which is locked to its thread.
type tracee struct {
	t      testing.TB
	pid    int
	inCall bool
	gone   bool
	out    *os.File
	cpus   unix.CPUSet // of this thread, before
}

// trace starts a worker that stops before its first instruction.
func trace(t testing.TB, j job) *tracee {
	t.Helper()
	runtime.LockOSThread()
	in, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer in.Close()
	out, err := os.CreateTemp(t.TempDir(), "out")
	require.NoError(t, err)
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"worker"}, &syscall.ProcAttr{
		Env:   append(append(os.Environ(), testproc.Environment(j.Role, j)...), envTraced+"=1"),
		Files: []uintptr{in.Fd(), out.Fd(), out.Fd()},
		Sys:   &syscall.SysProcAttr{Ptrace: true, Pdeathsig: unix.SIGKILL},
	})
	require.NoError(t, err)
	tr := &tracee{t: t, pid: pid, out: out}
	tr.wait()
	// On one processor the two hand over to each other ten times as fast.
	require.NoError(t, unix.SchedGetaffinity(0, &tr.cpus))
	var one unix.CPUSet
	for i := 0; one.Count() == 0; i++ {
		if tr.cpus.IsSet(i) {
			one.Set(i)
		}
	}
	require.NoError(t, unix.SchedSetaffinity(0, &one))
	require.NoError(t, unix.SchedSetaffinity(pid, &one))
	require.NoError(t, unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_EXITKILL))
	return tr
}

// wait waits for the next stop and returns its signal, 0 if the process is gone.
func (tr *tracee) wait() unix.Signal {
	var ws unix.WaitStatus
	for {
		_, err := unix.Wait4(tr.pid, &ws, unix.WALL, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		require.NoError(tr.t, err)
		if ws.Stopped() {
			return ws.StopSignal()
		}
		tr.gone = true
		return 0
	}
}

// end kills the tracee unless it is gone.
func (tr *tracee) end() {
	if !tr.gone {
		unix.Kill(tr.pid, unix.SIGKILL)
		for !tr.gone {
			tr.wait()
		}
	}
	tr.out.Close()
	unix.SchedSetaffinity(0, &tr.cpus)
	runtime.UnlockOSThread()
}

// nextCall lets the tracee run until it enters a system call, and returns it.
func (tr *tracee) nextCall() (number int, args []string) {
	tr.t.Helper()
	signal := 0
	for {
		require.NoError(tr.t, unix.PtraceSyscall(tr.pid, signal))
		s := tr.wait()
		require.False(tr.t, tr.gone, "the traced worker ended: %s", tr.output())
		signal = 0
		if s != unix.SIGTRAP|0x80 {
			signal = int(s)
			continue
		}
		if tr.inCall = !tr.inCall; tr.inCall {
			return currentCall("/proc/" + strconv.Itoa(tr.pid) + "/task/" + strconv.Itoa(tr.pid))
		}
	}
}

func (tr *tracee) output() string {
	b, _ := os.ReadFile(tr.out.Name())
	return string(b)
}

func isMark(number int, args []string, n int) bool {
	hex := func(v int) string { return "0x" + strconv.FormatInt(int64(v), 16) }
	return number == unix.SYS_GETPRIORITY && len(args) > 1 && args[0] == hex(markerWho) && args[1] == hex(n)
}

// runTo lets the tracee run until it enters mark(n), and returns the system calls on the way.
func (tr *tracee) runTo(n int) (calls []int) {
	tr.t.Helper()
	for {
		number, args := tr.nextCall()
		if isMark(number, args, n) {
			return calls
		}
		calls = append(calls, number)
	}
}

// step executes instructions until one of the module's own is next, those of the Go runtime in one
// go, and returns the function that it belongs to.
func (tr *tracee) step() string {
	tr.t.Helper()
	for {
		require.NoError(tr.t, unix.PtraceSingleStep(tr.pid))
		tr.wait()
		require.False(tr.t, tr.gone, "the traced worker ended: %s", tr.output())
		tr.inCall = false
		var regs syscall.PtraceRegs
		require.NoError(tr.t, syscall.PtraceGetRegs(tr.pid, &regs))
		// It runs the same program at the same addresses.
		if f := runtime.FuncForPC(uintptr(regs.PC())); f != nil && strings.HasPrefix(f.Name(), "shmbus/") {
			return f.Name()
		}
	}
}

// release lets the tracee run untraced to its end.
func (tr *tracee) release() {
	tr.t.Helper()
	require.NoError(tr.t, unix.PtraceDetach(tr.pid))
	for !tr.gone {
		tr.wait()
	}
}

// leave executes what is left of the function with the given name, which the tracee is in, and
// returns the next.
func (tr *tracee) leave(name string) string {
	tr.t.Helper()
	for {
		if f := tr.step(); !strings.HasSuffix(f, "."+name) {
			return f
		}
	}
}

// callName names the system calls with which buses are made and removed.
func callName(number int) string {
	names := map[int]string{
		unix.SYS_OPENAT: "openat", unix.SYS_FLOCK: "flock", unix.SYS_PWRITE64: "pwrite64", unix.SYS_FTRUNCATE: "ftruncate",
		unix.SYS_FCHMOD: "fchmod", unix.SYS_FSTAT: "fstat", unix.SYS_NEWFSTATAT: "newfstatat", unix.SYS_SHMGET: "shmget", unix.SYS_SHMAT: "shmat",
		unix.SYS_SHMCTL: "shmctl", unix.SYS_SHMDT: "shmdt", unix.SYS_SEMGET: "semget", unix.SYS_SEMCTL: "semctl", unix.SYS_SEMOP: "semop",
		unix.SYS_CLOSE: "close", unix.SYS_UNLINKAT: "unlinkat", unix.SYS_PREAD64: "pread64", unix.SYS_READ: "read", unix.SYS_FUTEX: "futex",
	}
	if name, ok := names[number]; ok {
		return name
	}
	return strconv.Itoa(number)
}
