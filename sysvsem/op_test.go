//go:build linux

package sysvsem_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/internal/testload"
	"shmbus/sysvsem"
)

var (
	p, v, zero = sysvsem.P, sysvsem.V, sysvsem.Zero
	noWait     = sysvsem.NoWait
)

// waysToOperate has each method that performs operations, in a form that does not wait for long.
var waysToOperate = []struct {
	name string
	do   func(*sysvsem.Set, []sysvsem.Op) error
	// expired is the error when the operations cannot be done.
	expired error
}{
	{"TryOp", (*sysvsem.Set).TryOp, sysvsem.ErrWouldBlock},
	{"OpTimeout", func(s *sysvsem.Set, ops []sysvsem.Op) error { return s.OpTimeout(0, ops...) },
		sysvsem.ErrTimeout},
	{"Wait", func(s *sysvsem.Set, ops []sysvsem.Op) error { return s.Wait(time.Millisecond, ops) },
		sysvsem.ErrTimeout},
	{"Op", func(s *sysvsem.Set, ops []sysvsem.Op) error {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		return s.Op(ctx, ops...)
	}, context.DeadlineExceeded},
}

func TestOperations(t *testing.T) {
	limits, err := sysvsem.Limits()
	require.NoError(t, err)
	errExpired := errors.New("what the way returns when it cannot be done")

	tests := []struct {
		name   string
		before []uint16
		ops    []sysvsem.Op
		after  []uint16
		is     []error
	}{
		{"add", []uint16{0}, []sysvsem.Op{v(0)}, []uint16{1}, nil},
		{"add several", []uint16{1}, []sysvsem.Op{{Op: 41}}, []uint16{42}, nil},
		{"subtract", []uint16{3}, []sysvsem.Op{{Op: -2}}, []uint16{1}, nil},
		{"subtract with undo flag", []uint16{3},
			[]sysvsem.Op{p(0).With(sysvsem.Undo), v(0).With(sysvsem.Undo)}, []uint16{3}, nil},
		{"subtract too much", []uint16{1}, []sysvsem.Op{{Op: -2}}, []uint16{1}, []error{errExpired}},
		{"zero", []uint16{0}, []sysvsem.Op{zero(0)}, []uint16{0}, nil},
		{"not zero", []uint16{1}, []sysvsem.Op{zero(0)}, []uint16{1}, []error{errExpired}},
		{"all together", []uint16{1, 0, 5}, []sysvsem.Op{p(0), v(1), {Num: 2, Op: -5}},
			[]uint16{0, 1, 0}, nil},
		{"all or none", []uint16{1, 0, 4}, []sysvsem.Op{p(0), v(1), {Num: 2, Op: -5}}, []uint16{1, 0, 4},
			[]error{errExpired}},
		{"in order on one", []uint16{0}, []sysvsem.Op{zero(0), v(0), v(0), p(0)}, []uint16{1}, nil},
		{"wrong order on one", []uint16{0}, []sysvsem.Op{v(0), zero(0), p(0)}, []uint16{0},
			[]error{errExpired}},
		{"up to SEMVMX", []uint16{32766}, []sysvsem.Op{v(0)}, []uint16{32767}, nil},
		{"above SEMVMX", []uint16{32767}, []sysvsem.Op{v(0)}, []uint16{32767},
			[]error{syscall.ERANGE, sysvsem.ErrRange}},
		{"number outside", []uint16{1}, []sysvsem.Op{p(0), v(1)}, []uint16{1},
			[]error{syscall.EFBIG, sysvsem.ErrNoSemaphore}},
		{"none", []uint16{1}, nil, []uint16{1}, []error{syscall.EINVAL}},
		{"as many as SEMOPM", []uint16{0}, repeat(v(0), limits.OpsPerCall),
			[]uint16{uint16(limits.OpsPerCall)}, nil},
		{"more than SEMOPM", []uint16{0}, repeat(v(0), limits.OpsPerCall+1), []uint16{0},
			[]error{syscall.E2BIG, sysvsem.ErrTooManyOps}},
	}
	for _, way := range waysToOperate {
		for _, tt := range tests {
			t.Run("way="+way.name+"/"+tt.name, func(t *testing.T) {
				s := newSet(t, tt.before...)
				given := append([]sysvsem.Op(nil), tt.ops...)
				err := way.do(s, tt.ops)
				require.Equal(t, given, tt.ops, "the caller's operations were changed")
				if tt.is == nil {
					require.NoError(t, err)
				}
				for _, is := range tt.is {
					if is == errExpired {
						is = way.expired
					}
					require.ErrorIs(t, err, is)
				}
				requireValues(t, s, tt.after...)
			})
		}
	}
}

func repeat(op sysvsem.Op, n int) []sysvsem.Op {
	ops := make([]sysvsem.Op, n)
	for i := range ops {
		ops[i] = op
	}
	return ops
}

// An operation with NoWait that cannot be done ends every kind of wait at once.
func TestNoWaitEndsTheWait(t *testing.T) {
	s := newSet(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for name, err := range map[string]error{
		"OpTimeout":      s.OpTimeout(time.Hour, p(0).With(noWait)),
		"without end":    s.OpTimeout(-1, p(0).With(noWait)),
		"Op":             s.Op(ctx, p(0).With(noWait)),
		"Op, no context": s.Op(context.Background(), p(0).With(noWait)),
		"one of several": s.Op(ctx, v(0), sysvsem.Op{Op: -2, Flags: noWait}),
	} {
		require.ErrorIs(t, err, sysvsem.ErrWouldBlock, name)
		require.ErrorIs(t, err, syscall.EAGAIN, name)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded, name)
	}
	requireValues(t, s, 0)
}

func TestTimeoutExpires(t *testing.T) {
	s := newSet(t, 0)
	const d = 30 * time.Millisecond
	start := time.Now()
	err := s.OpTimeout(d, p(0))
	require.GreaterOrEqual(t, time.Since(start), d)
	require.ErrorIs(t, err, sysvsem.ErrTimeout)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.ErrorIs(t, err, syscall.EAGAIN)
	require.NotErrorIs(t, err, sysvsem.ErrWouldBlock)
	require.True(t, os.IsTimeout(err))
	require.False(t, os.IsTimeout(sysvsem.ErrWouldBlock))
}

func TestWaitersAreWoken(t *testing.T) {
	waits := map[string]func(*sysvsem.Set, ...sysvsem.Op) error{
		"OpTimeout": func(s *sysvsem.Set, ops ...sysvsem.Op) error {
			return s.OpTimeout(time.Hour, ops...)
		},
		"longest": func(s *sysvsem.Set, ops ...sysvsem.Op) error {
			return s.OpTimeout(1<<63-1, ops...)
		},
		"without end": func(s *sysvsem.Set, ops ...sysvsem.Op) error {
			return s.OpTimeout(-1, ops...)
		},
		"Op": func(s *sysvsem.Set, ops ...sysvsem.Op) error {
			return s.Op(t.Context(), ops...)
		},
		"Op, no context": func(s *sysvsem.Set, ops ...sysvsem.Op) error {
			return s.Op(context.Background(), ops...)
		},
	}
	for name, wait := range waits {
		t.Run("way="+name+"/for increase", func(t *testing.T) {
			s := newSet(t, 0, 0)
			done := make(chan error, 1)
			go func() { done <- wait(s, p(0), v(1)) }()
			awaitSleepers(t, s, 1)
			requireValues(t, s, 0, 0)
			require.NoError(t, s.TryOp([]sysvsem.Op{v(0)}))
			require.NoError(t, testload.InTime(t, done))
			requireValues(t, s, 0, 1)
		})
		t.Run("way="+name+"/for zero", func(t *testing.T) {
			s := newSet(t, 2)
			done := make(chan error, 1)
			go func() { done <- wait(s, zero(0)) }()
			testload.EventuallyWithin(t, 10*time.Second, "a sleeper", func() bool {
				n, err := s.GetZCnt(0)
				require.NoError(t, err)
				return n == 1
			})
			require.NoError(t, s.TryOp([]sysvsem.Op{p(0)}))
			n, err := s.GetZCnt(0)
			require.NoError(t, err)
			require.Equal(t, 1, n, "woken at 1")
			require.NoError(t, s.TryOp([]sysvsem.Op{p(0)}))
			require.NoError(t, testload.InTime(t, done))
		})
		t.Run("way="+name+"/removed", func(t *testing.T) {
			s := newSet(t, 0)
			done := make(chan error, 1)
			go func() { done <- wait(s, p(0)) }()
			awaitSleepers(t, s, 1)
			require.NoError(t, s.Remove())
			err := testload.InTime(t, done)
			require.ErrorIs(t, err, syscall.EIDRM)
			require.ErrorIs(t, err, sysvsem.ErrRemoved)
			require.Contains(t, err.Error(), "get it again by its key")
		})
	}
}

// Signals do not make a wait longer. If each signal restarted the time, this wait would never end,
// because the signals go on until it ends.
func TestTimeoutHoldsInASignalStorm(t *testing.T) {
	s := newSet(t, 0)
	const d = 200 * time.Millisecond
	tid := make(chan int, 1)
	took := make(chan time.Duration, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		tid <- syscall.Gettid()
		start := time.Now()
		if err := s.OpTimeout(d, p(0)); !errors.Is(err, sysvsem.ErrTimeout) {
			t.Error(err)
		}
		took <- time.Since(start)
	}()
	target, sent := <-tid, 0
	deadline := time.After(10 * time.Second)
	for {
		select {
		case elapsed := <-took:
			require.GreaterOrEqual(t, elapsed, d)
			require.Less(t, elapsed, d+5*time.Second)
			require.Greater(t, sent, 2, "that was no storm")
			return
		case <-deadline:
			require.FailNow(t, "the wait goes on and on")
		default:
			require.NoError(t, syscall.Tgkill(syscall.Getpid(), target, syscall.SIGURG))
			sent++
			time.Sleep(500 * time.Microsecond)
		}
	}
}

// Without a deadline signals must not end the wait either.
func TestWaitSurvivesSignals(t *testing.T) {
	for name, wait := range map[string]func(*sysvsem.Set) error{
		"without end": func(s *sysvsem.Set) error { return s.OpTimeout(-1, p(0)) },
		"Op":          func(s *sysvsem.Set) error { return s.Op(t.Context(), p(0)) },
	} {
		t.Run("way="+name, func(t *testing.T) {
			s := newSet(t, 0)
			tid := make(chan int, 1)
			done := make(chan error, 1)
			go func() {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				tid <- syscall.Gettid()
				done <- wait(s)
			}()
			target := <-tid
			awaitSleepers(t, s, 1)
			for range 200 {
				require.NoError(t, syscall.Tgkill(syscall.Getpid(), target, syscall.SIGURG))
				awaitSleepers(t, s, 1)
			}
			require.NoError(t, s.TryOp([]sysvsem.Op{v(0)}))
			require.NoError(t, testload.InTime(t, done))
		})
	}
}

func TestNothingIsAllocated(t *testing.T) {
	s := newSet(t, 1, 0)
	plain := []sysvsem.Op{p(0), v(0)}
	flagged := []sysvsem.Op{p(0).With(noWait), v(0).With(noWait)}
	blocked := []sysvsem.Op{p(1)}
	many := repeat(zero(1), 500)
	tests := []struct {
		name string
		do   func() error
		want error
	}{
		{"TryOp", func() error { return s.TryOp(plain) }, nil},
		{"TryOp, NoWait set", func() error { return s.TryOp(flagged) }, nil},
		{"TryOp, many", func() error { return s.TryOp(many) }, nil},
		{"TryOp would block", func() error { return s.TryOp(blocked) }, sysvsem.ErrWouldBlock},
		{"OpTimeout", func() error { return s.OpTimeout(time.Second, p(0), v(0)) }, nil},
		{"OpTimeout without end", func() error { return s.OpTimeout(-1, p(0), v(0)) }, nil},
		{"OpTimeout expires", func() error { return s.OpTimeout(time.Microsecond, p(1)) },
			sysvsem.ErrTimeout},
		{"OpTimeout would block", func() error { return s.OpTimeout(time.Second, p(1).With(noWait)) },
			sysvsem.ErrWouldBlock},
		{"Wait", func() error { return s.Wait(time.Second, plain) }, nil},
		{"Op at once", func() error { return s.Op(t.Context(), p(0), v(0)) }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			allocs := testing.AllocsPerRun(100, func() {
				if err := tt.do(); err != tt.want {
					t.Errorf("got %v, want %v", err, tt.want)
				}
			})
			require.Zero(t, allocs)
		})
	}
}
