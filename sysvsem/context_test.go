//go:build linux

package sysvsem_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/internal/testload"
	"shmbus/sysvsem"
)

func TestContextEndsTheWait(t *testing.T) {
	tests := []struct {
		name string
		end  func(cancel context.CancelFunc)
		make func() (context.Context, context.CancelFunc)
		is   []error
	}{
		{
			name: "cancelled",
			make: func() (context.Context, context.CancelFunc) {
				return context.WithCancel(context.Background())
			},
			end: func(cancel context.CancelFunc) { cancel() },
			is:  []error{context.Canceled},
		},
		{
			name: "deadline",
			make: func() (context.Context, context.CancelFunc) {
				return context.WithTimeout(context.Background(), 100*time.Millisecond)
			},
			end: func(context.CancelFunc) {},
			is:  []error{context.DeadlineExceeded, os.ErrDeadlineExceeded},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSet(t, 0)
			ctx, cancel := tt.make()
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- s.Op(ctx, p(0)) }()
			awaitSleepers(t, s, 1)
			tt.end(cancel)
			err := testload.InTime(t, done)
			for _, is := range tt.is {
				require.ErrorIs(t, err, is)
			}
			var e *sysvsem.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, s.ID(), e.ID)
			require.NotErrorIs(t, err, sysvsem.ErrWouldBlock)
			awaitSleepers(t, s, 0)
			requireValues(t, s, 0)
		})
	}
}

func TestEndedContextDoesNothing(t *testing.T) {
	s := newSet(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Op(ctx, p(0)), context.Canceled)
	requireValues(t, s, 1)
}

// The context may end at any moment on the way into the kernel; no wait may miss that.
func TestCancelAtAnyMoment(t *testing.T) {
	s := newSet(t, 0)
	for i := range 5000 {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Op(ctx, p(0)) }()
		// From at once to well after the call has gone to sleep.
		for start := time.Now(); time.Since(start) < time.Duration(i%100)*time.Microsecond; {
		}
		cancel()
		require.ErrorIs(t, testload.InTime(t, done), context.Canceled)
	}
	awaitSleepers(t, s, 0)
}

// If cancel and V happen at the same time, either result is right, but the error must tell which.
func TestCancelAgainstSuccess(t *testing.T) {
	s := newSet(t, 0)
	for range 2000 {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Op(ctx, p(0)) }()
		var both sync.WaitGroup
		both.Go(cancel)
		both.Go(func() {
			if err := s.TryOp([]sysvsem.Op{v(0)}); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		err := testload.InTime(t, done)
		left, errLeft := s.GetVal(0)
		require.NoError(t, errLeft)
		if err == nil {
			require.Equal(t, 0, left, "reported as done, but was not")
			continue
		}
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 1, left, "reported as cancelled, but was done")
		require.NoError(t, s.TryOp([]sysvsem.Op{p(0)}))
	}
}

func TestManyWaitersCancelledTogether(t *testing.T) {
	s := newSet(t, 0)
	const n = 100
	for range 5 {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, n)
		for range n {
			go func() { done <- s.Op(ctx, p(0)) }()
		}
		awaitSleepers(t, s, n)
		cancel()
		for range n {
			require.ErrorIs(t, testload.InTime(t, done), context.Canceled)
		}
		awaitSleepers(t, s, 0)
	}
}

// Waits one after another must reuse threads.
func TestThreadsDoNotGrow(t *testing.T) {
	s := newSet(t, 0)
	wait := func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Microsecond)
		defer cancel()
		if err := s.Op(ctx, p(0)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	}
	for range 50 {
		wait()
	}
	before := threads(t)
	for range 500 {
		wait()
	}
	require.LessOrEqual(t, threads(t), before+10)
}

func threads(t *testing.T) int {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*")
	require.NoError(t, err)
	return len(tasks)
}

func TestContextIsRefusedWhereTheSignalIsIgnored(t *testing.T) {
	s := newSet(t, 0, 1)
	out, err := helper("ignore SIGURG", s).Output()
	require.NoError(t, err, "%s", out)
	requireValues(t, s, 0, 0)
}

func helpIgnoreSignal(s *sysvsem.Set) error {
	signal.Ignore(syscall.SIGURG)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := s.Op(ctx, p(1)); err != nil {
		return fmt.Errorf("nothing to wait for: %w", err)
	}
	if err := s.Op(ctx, p(0)); !errors.Is(err, sysvsem.ErrUninterruptible) {
		return fmt.Errorf("ignored: %w", err)
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGURG)
	if err := s.Op(ctx, p(0)); !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no longer ignored: %w", err)
	}
	return nil
}

func TestNilContext(t *testing.T) {
	s := newSet(t, 0)
	var none context.Context
	err := s.Op(none, v(0))
	require.ErrorIs(t, err, syscall.EINVAL)
	require.ErrorContains(t, err, "the context is nil (context.Background() never ends)")
	requireValues(t, s, 0)
}
