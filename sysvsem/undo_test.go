package sysvsem_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/sysvsem"
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
	cmd := startHelper(t, "hold with undo", s)
	requireValues(t, s, 0)
	pid, err := s.GetPid(0)
	require.NoError(t, err)
	require.Equal(t, cmd.Process.Pid, pid)

	done := make(chan error, 1)
	go func() { done <- s.OpTimeout(10*time.Second, p(0)) }()
	awaitSleepers(t, s, 1)
	killed := time.Now()
	require.NoError(t, cmd.Process.Kill())
	require.NoError(t, inTime(t, done))
	took := time.Since(killed)
	t.Log("from SIGKILL to the waiter:", took)
	require.Less(t, took, time.Second)
	require.ErrorContains(t, cmd.Wait(), "killed")
}

// Liveness and a bell in one call: the claim is there until the death, and the bell, whose
// value does not change before, is up after it.
func TestDeathBell(t *testing.T) {
	s := newSet(t, 1, 0)
	claim := []sysvsem.Op{zero(1).With(noWait), v(1).With(sysvsem.Undo)}
	require.NoError(t, s.TryOp(claim))
	require.ErrorIs(t, s.TryOp(claim), sysvsem.ErrWouldBlock)
	cmd := startHelper(t, "hold with undo", s)
	bell := make(chan error, 1)
	go func() { bell <- s.Op(t.Context(), p(0)) }()
	awaitSleepers(t, s, 1)
	require.NoError(t, cmd.Process.Kill())
	require.NoError(t, inTime(t, bell))
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
	task := fmt.Sprintf("/proc/self/task/%d", inTime(t, ended))
	await(t, "end of the thread", func() bool {
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
			cmd := startHelper(t, "hold with undo", s)
			require.NoError(t, set(s))
			require.NoError(t, cmd.Process.Kill())
			require.ErrorContains(t, cmd.Wait(), "killed")
			requireValues(t, s, 5)
		})
	}
}
