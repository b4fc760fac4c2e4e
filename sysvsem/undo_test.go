//go:build linux

package sysvsem_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"golang.org/x/sys/unix"

	"shmbus/internal/testload"
	"shmbus/sysvsem"
	"shmbus/test/intercept"
)

// helpHold takes semaphore 0 with undo and lasts until it is killed.
func helpHold(s *sysvsem.Set) error {
	if err := s.TryOp([]sysvsem.Op{p(0).With(sysvsem.Undo)}); err != nil {
		return err
	}
	return ready()
}

func TestUndoAtDeath(t *testing.T) {
	s := newSet(t, 1)
	helper := startHelper(t, "hold with undo", s)
	requireValues(t, s, 0)
	pid, err := s.GetPid(0)
	require.NoError(t, err)
	require.Equal(t, helper.PID(), pid)

	done := make(chan error, 1)
	go func() { done <- s.OpTimeout(10*time.Second, p(0)) }()
	awaitSleepers(t, s, 1)
	killed := time.Now()
	helper.Signal(unix.SIGKILL)
	require.NoError(t, testload.InTime(t, done))
	t.Log("from SIGKILL to the waiter:", time.Since(killed))
	helper.Kill()
	require.Equal(t, unix.SIGKILL, helper.Signaled())
}

// A semaphore that a process holds with undo is a bell: its value rises when the process dies, and
// that wakes the waiter. A claim with undo stays while its own process lives.
func TestDeathBell(t *testing.T) {
	s := newSet(t, 1, 0)
	claim := []sysvsem.Op{zero(1).With(noWait), v(1).With(sysvsem.Undo)}
	require.NoError(t, s.TryOp(claim))
	require.ErrorIs(t, s.TryOp(claim), sysvsem.ErrWouldBlock)
	helper := startHelper(t, "hold with undo", s)
	bell := make(chan error, 1)
	go func() { bell <- s.Op(t.Context(), p(0)) }()
	awaitSleepers(t, s, 1)
	helper.Kill()
	require.NoError(t, testload.InTime(t, bell))
	requireValues(t, s, 0, 1)
}

// The threads of a Go process share their undo values: the end of one takes nothing back.
func TestUndoOutlivesTheThread(t *testing.T) {
	s := newSet(t, 0)
	ended := make(chan int, 1)
	var operate func()
	operate = func() {
		// Never unlocked, so that the thread ends with the goroutine. Only the main
		// thread would stay: held here, it leaves the work to another one.
		runtime.LockOSThread()
		if syscall.Gettid() == syscall.Getpid() {
			done := make(chan struct{})
			go func() { defer close(done); operate() }()
			<-done
			return
		}
		if err := s.OpTimeout(-1, v(0).With(sysvsem.Undo)); err != nil {
			t.Error(err)
		}
		ended <- syscall.Gettid()
	}
	go operate()
	task := fmt.Sprintf("/proc/self/task/%d", testload.InTime(t, ended))
	testload.EventuallyWithin(t, 10*time.Second, "end of the thread", func() bool {
		_, err := os.Stat(task)
		return errors.Is(err, os.ErrNotExist)
	})
	requireValues(t, s, 1)
}

func TestSetErasesUndo(t *testing.T) {
	for name, set := range map[string]func(*sysvsem.Set) error{
		"SetVal": func(s *sysvsem.Set) error { return s.SetVal(0, 5) },
		"SetAll": func(s *sysvsem.Set) error { return s.SetAll([]uint16{5}) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSet(t, 1)
			helper := startHelper(t, "hold with undo", s)
			require.NoError(t, set(s))
			helper.Kill()
			require.Equal(t, unix.SIGKILL, helper.Signaled())
			requireValues(t, s, 5)
		})
	}
}

func TestCheckUndo(t *testing.T) {
	s := newSet(t, 7, 0)
	require.NoError(t, s.TryOp([]sysvsem.Op{v(1).With(sysvsem.Undo)}))
	for range 3 {
		require.NoError(t, s.CheckUndo(0))
		requireValues(t, s, 7, 1)
	}
	for _, name := range []string{"undo ignored", "unshare does nothing", "unshare forbidden"} {
		out, err := helper(name, s).Output()
		require.NoError(t, err, "%s: %s", name, out)
		requireValues(t, s, 7, 1)
	}
}

// A child that gets a signal when the thread that started it ends outlives CheckUndo, whichever
// thread started it.
func TestCheckUndoSparesChildren(t *testing.T) {
	s := newSet(t, 0)
	var children []*exec.Cmd
	var started, ended sync.WaitGroup
	all := make(chan struct{})
	for range 8 {
		cmd := helper("hold with undo", newSet(t, 1))
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
		children = append(children, cmd)
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		t.Cleanup(func() { in.Close(); cmd.Process.Kill(); cmd.Wait() })
		started.Add(1)
		ended.Go(func() {
			runtime.LockOSThread() // until each of these goroutines has a thread of its own
			defer runtime.UnlockOSThread()
			if err := cmd.Start(); err != nil {
				t.Error(err)
			}
			started.Done()
			<-all
		})
	}
	started.Wait()
	close(all)
	ended.Wait()
	for range 20 {
		require.NoError(t, s.CheckUndo(0))
	}
	for _, cmd := range children {
		var status unix.WaitStatus
		pid, err := unix.Wait4(cmd.Process.Pid, &status, unix.WNOHANG, nil)
		require.NoError(t, err)
		require.Zero(t, pid, "a child has ended: %v", status)
	}
}

func helpUndoIgnored(s *sysvsem.Set) error {
	runtime.GOMAXPROCS(4) // TryOp keeps its processor while the call waits for its answer
	if err := intercept.Calls(unix.SYS_SEMOP, ignoreUndo); err != nil {
		return err
	}
	return wantNoUndo(s)
}

// ignoreUndo takes the flag out of the caller's operations. The race detector does not know that
// the caller waits.
//
//go:norace
func ignoreUndo(c intercept.Call) intercept.Answer {
	const size, flags = 6, 4 // of struct sembuf, and where its flags are
	ops := c.Bytes(1, size*int(c.Args[2]))
	for i := 0; i < len(ops); i += size {
		ops[i+flags+1] &^= byte(sysvsem.Undo >> 8)
	}
	return intercept.Answer{Kernel: true}
}

func helpUnshareDoesNothing(s *sysvsem.Set) error {
	if err := intercept.Calls(unix.SYS_UNSHARE,
		func(intercept.Call) intercept.Answer { return intercept.Answer{} }); err != nil {
		return err
	}
	return wantNoUndo(s)
}

func wantNoUndo(s *sysvsem.Set) error {
	return expect(s.CheckUndo(0), sysvsem.ErrNoUndo, syscall.EOPNOTSUPP)
}

func helpUnshareForbidden(s *sysvsem.Set) error {
	err := intercept.Calls(unix.SYS_UNSHARE,
		func(intercept.Call) intercept.Answer { return intercept.Answer{Errno: unix.EPERM} })
	if err != nil {
		return err
	}
	if err := s.CheckUndo(0); !errors.Is(err, os.ErrPermission) || errors.Is(err, sysvsem.ErrNoUndo) {
		return fmt.Errorf("want that it cannot be tried: %w", err)
	}
	return nil
}
