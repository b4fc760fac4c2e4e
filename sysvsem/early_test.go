//go:build linux

package sysvsem_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/sysvsem"
	"shmbus/test/intercept"
)

// Linux up to 5.18 ends a timed wait up to a clock tick early. This test checks it on such a
// kernel; on other kernels TestEarlyTimeout simulates it.
func TestDeadlineIsNeverEarly(t *testing.T) {
	s := newSet(t, 0)
	for i := range 60 {
		d := time.Duration(i) * 333 * time.Microsecond
		start := time.Now()
		require.ErrorIs(t, s.OpTimeout(d, p(0)), sysvsem.ErrTimeout, d)
		require.GreaterOrEqual(t, time.Since(start), d)
	}
}

// TestEarlyTimeout has the kernel's answers replaced by those of an old one.
func TestEarlyTimeout(t *testing.T) {
	s := newSet(t, 0, 1)
	out, err := helper("early timeouts", s).Output()
	require.NoError(t, err, "%s", out)
	requireValues(t, s, 0, 1)
}

func helpEarlyTimeouts(s *sysvsem.Set) error {
	var mu sync.Mutex
	var answers []intercept.Answer
	calls := 0
	err := intercept.Calls(unix.SYS_SEMTIMEDOP, func(intercept.Call) intercept.Answer {
		mu.Lock()
		defer mu.Unlock()
		calls++
		if len(answers) == 0 {
			return intercept.Answer{Kernel: true}
		}
		a := answers[0]
		answers = answers[1:]
		return a
	})
	if err != nil {
		return err
	}
	const short, long = 30 * time.Millisecond, time.Minute
	type list = []intercept.Answer
	early := intercept.Answer{Errno: unix.EAGAIN}
	late := intercept.Answer{After: short, Errno: unix.EAGAIN}
	interrupted := intercept.Answer{Errno: unix.EINTR}
	lateSignal := intercept.Answer{After: short, Errno: unix.EINTR}
	timed := func(d time.Duration, ops ...sysvsem.Op) func() error {
		return func() error { return s.OpTimeout(d, ops...) }
	}
	for _, tt := range []struct {
		name    string
		answers list
		wait    func() error
		want    error
		atLeast time.Duration
	}{
		{"early", list{early}, timed(short, p(0)), sysvsem.ErrTimeout, short},
		{"early again and again", list{early, early, early, early}, timed(short, p(0)),
			sysvsem.ErrTimeout, short},
		{"early, for zero", list{early, early}, timed(short, zero(1)), sysvsem.ErrTimeout, short},
		{"early and interrupted", list{interrupted, early, interrupted, early}, timed(short, p(0)),
			sysvsem.ErrTimeout, short},
		{"at the deadline", list{late}, timed(short, p(0)), sysvsem.ErrTimeout, short},
		{"interrupted at the deadline", list{lateSignal}, timed(short, p(0)), sysvsem.ErrTimeout, short},
		{"early, then done", list{early, early}, timed(long, p(1)), nil, 0},
		{"NoWait would block", nil, timed(long, p(0).With(noWait)), sysvsem.ErrWouldBlock, 0},
		{"NoWait of one of two would block", nil, timed(long, p(1), p(0).With(noWait)),
			sysvsem.ErrWouldBlock, 0},
		{"NoWait, early", list{early}, timed(long, p(1).With(noWait), p(0)), sysvsem.ErrWouldBlock, 0},
		{"no deadline", list{interrupted, interrupted}, timed(-1, p(1)), nil, 0},
		{"context", list{interrupted, interrupted}, func() error {
			ctx, cancel := context.WithTimeout(context.Background(), short)
			defer cancel()
			return s.Op(ctx, p(0))
		}, context.DeadlineExceeded, short},
	} {
		mu.Lock()
		answers, calls = tt.answers, 0
		mu.Unlock()
		start := time.Now()
		err := tt.wait()
		took := time.Since(start)
		mu.Lock()
		n := calls
		mu.Unlock()
		if !errors.Is(err, tt.want) || took < tt.atLeast || n == 0 {
			return fmt.Errorf("%s: %v after %v and %d calls, want %v after %v", tt.name, err, took, n,
				tt.want, tt.atLeast)
		}
		if err == nil { // give back what it took
			if err := s.TryOp([]sysvsem.Op{v(1)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// A signal that comes before the thread has entered the kernel is lost. The next one ends the wait.
func TestLostSignal(t *testing.T) {
	s := newSet(t, 0)
	out, err := helper("lost signal", s).Output()
	require.NoError(t, err, "%s", out)
	requireValues(t, s, 0)
}

func helpLostSignal(s *sysvsem.Set) error {
	ctx, cancel := context.WithCancel(context.Background())
	var entries atomic.Int32
	err := intercept.Calls(unix.SYS_SEMTIMEDOP, func(intercept.Call) intercept.Answer {
		if entries.Add(1) == 1 { // the kernel begins this call again after the signal's handler
			cancel()
			return intercept.Answer{After: 10 * time.Millisecond, Kernel: true}
		}
		return intercept.Answer{Kernel: true}
	})
	if err != nil {
		return err
	}
	if err := s.Op(ctx, p(0)); !errors.Is(err, context.Canceled) {
		return err
	}
	if n := entries.Load(); n < 2 {
		return fmt.Errorf("the call was entered %d times: no signal was lost", n)
	}
	return nil
}
