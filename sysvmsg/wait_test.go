//go:build linux

package sysvmsg_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/internal/testload"
	"shmbus/sysvmsg"
	"shmbus/test/intercept"
)

// A wait is one of two ways to wait: for a message on an empty queue, or for room on a full one.
type wait struct {
	name    string
	prepare func(testing.TB, *sysvmsg.Queue)
	do      func(context.Context, *sysvmsg.Queue) error
	allow   func(*sysvmsg.Queue) error // lets one waiter go on
	done    int                        // messages in the queue after prepare, do and allow
}

var waits = []wait{
	{
		name:    "Receive",
		prepare: func(testing.TB, *sysvmsg.Queue) {},
		do: func(ctx context.Context, q *sysvmsg.Queue) error {
			m, err := q.Receive(ctx, make([]byte, 10), 0, 0)
			if err == nil && (m.Type != 4 || string(m.Data) != "x") {
				return fmt.Errorf("received %v", m)
			}
			return err
		},
		allow: func(q *sysvmsg.Queue) error { return q.TrySend(message(4, "x")) },
		done:  0,
	},
	{
		name: "Send",
		prepare: func(t testing.TB, q *sysvmsg.Queue) {
			require.NoError(t, q.SetMaxBytes(1))
			require.NoError(t, q.TrySend(message(4, "x")))
		},
		do: func(ctx context.Context, q *sysvmsg.Queue) error { return q.Send(ctx, message(4, "x")) },
		allow: func(q *sysvmsg.Queue) error {
			_, err := q.TryReceive(make([]byte, 10), 0, 0)
			return err
		},
		done: 1,
	},
}

// forWaits runs a test for each way to wait, on a queue where it has to.
func forWaits(t *testing.T, test func(t *testing.T, w wait, q *sysvmsg.Queue)) {
	for _, w := range waits {
		t.Run("way="+w.name, func(t *testing.T) {
			q := newQueue(t)
			w.prepare(t, q)
			test(t, w, q)
		})
	}
}

func TestWaitersAreWoken(t *testing.T) {
	forWaits(t, func(t *testing.T, w wait, q *sysvmsg.Queue) {
		for name, ctx := range map[string]context.Context{
			"with a context": t.Context(), "without": context.Background(),
		} {
			t.Run(name, func(t *testing.T) {
				done := make(chan error, 1)
				go func() { done <- w.do(ctx, q) }()
				awaitWaiters(t, os.Getpid(), 1)
				require.NoError(t, w.allow(q))
				require.NoError(t, testload.InTime(t, done))
				require.Equal(t, w.done, stat(t, q).Messages)
			})
		}
	})
}

func TestRemoveEndsTheWait(t *testing.T) {
	forWaits(t, func(t *testing.T, w wait, q *sysvmsg.Queue) {
		done := make(chan error, 1)
		go func() { done <- w.do(t.Context(), q) }()
		awaitWaiters(t, os.Getpid(), 1)
		require.NoError(t, q.Remove())
		err := testload.InTime(t, done)
		require.ErrorIs(t, err, syscall.EIDRM)
		require.ErrorIs(t, err, sysvmsg.ErrRemoved)
	})
}

// A waiting sender has its room, and a waiting receiver is let in, when the queue is changed.
func TestChangeEndsTheWait(t *testing.T) {
	q := newQueue(t)
	require.NoError(t, q.SetMaxBytes(1))
	require.NoError(t, q.TrySend(message(1, "x")))
	done := make(chan error, 1)
	go func() { done <- q.Send(t.Context(), message(1, "y")) }()
	awaitWaiters(t, os.Getpid(), 1)
	require.NoError(t, q.SetMaxBytes(2))
	require.NoError(t, testload.InTime(t, done))
	require.Equal(t, 2, stat(t, q).Messages)
}

func TestContextEndsTheWait(t *testing.T) {
	forWaits(t, func(t *testing.T, w wait, q *sysvmsg.Queue) {
		before := stat(t, q).Messages
		t.Run("cancelled", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- w.do(ctx, q) }()
			awaitWaiters(t, os.Getpid(), 1)
			cancelled := time.Now()
			cancel()
			err := testload.InTime(t, done)
			t.Log("from cancel to return:", time.Since(cancelled))
			require.ErrorIs(t, err, context.Canceled)
			var e *sysvmsg.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, q.ID(), e.ID)
			require.False(t, e.Timeout())
		})
		t.Run("deadline", func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- w.do(ctx, q) }()
			err := testload.InTime(t, done)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.True(t, os.IsTimeout(err))
		})
		awaitWaiters(t, os.Getpid(), 0)
		require.Equal(t, before, stat(t, q).Messages)
	})
}

func TestEndedContextDoesNothing(t *testing.T) {
	forWaits(t, func(t *testing.T, w wait, q *sysvmsg.Queue) {
		require.NoError(t, w.allow(q)) // the call could be done at once
		before := stat(t, q).Messages
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, w.do(ctx, q), context.Canceled)
		require.Equal(t, before, stat(t, q).Messages)
	})
}

func spin(microseconds int) {
	for start := time.Now(); time.Since(start) < time.Duration(microseconds)*time.Microsecond; {
	}
}

// The context may end at any moment of the way into the kernel; the call always returns.
func TestCancelAtAnyMoment(t *testing.T) {
	forWaits(t, func(t *testing.T, w wait, q *sysvmsg.Queue) {
		before := stat(t, q).Messages
		var longest time.Duration
		for i := range 2000 {
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- w.do(ctx, q) }()
			spin(i % 100) // from at once to well after the call has gone to sleep
			cancelled := time.Now()
			cancel()
			require.ErrorIs(t, testload.InTime(t, done), context.Canceled)
			longest = max(longest, time.Since(cancelled))
		}
		t.Log("longest time from cancel to return:", longest)
		require.Equal(t, before, stat(t, q).Messages)
	})
}

// If the context and the wait end at the same time, either result is right, but the error must tell
// which one it is: no message is lost, and none is there twice.
func TestCancelAgainstSuccess(t *testing.T) {
	forWaits(t, func(t *testing.T, w wait, q *sysvmsg.Queue) {
		won := map[bool]int{}
		for i := range 2000 {
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- w.do(ctx, q) }()
			var both sync.WaitGroup
			both.Go(cancel)
			both.Go(func() {
				spin(i % 200) // about the time that a context takes to end the call
				if err := w.allow(q); err != nil {
					t.Error(err)
				}
			})
			both.Wait()
			err := testload.InTime(t, done)
			won[err == nil]++
			if err != nil {
				require.ErrorIs(t, err, context.Canceled)
				require.NoError(t, w.do(t.Context(), q), "what the other did was lost")
			}
			require.Equal(t, w.done, stat(t, q).Messages)
		}
		t.Logf("done %d times, cancelled %d times", won[true], won[false])
	})
}

func TestManyWaitersCancelledTogether(t *testing.T) {
	forWaits(t, func(t *testing.T, w wait, q *sysvmsg.Queue) {
		const n = 100
		before := stat(t, q).Messages
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, n)
		for range n {
			go func() { done <- w.do(ctx, q) }()
		}
		awaitWaiters(t, os.Getpid(), n)
		cancel()
		for range n {
			require.ErrorIs(t, testload.InTime(t, done), context.Canceled)
		}
		awaitWaiters(t, os.Getpid(), 0)
		require.Equal(t, before, stat(t, q).Messages)
	})
}

// Signals that are not the context's do not end the wait.
func TestWaitSurvivesSignals(t *testing.T) {
	forWaits(t, func(t *testing.T, w wait, q *sysvmsg.Queue) {
		for name, ctx := range map[string]context.Context{
			"with a context": t.Context(), "without": context.Background(),
		} {
			t.Run(name, func(t *testing.T) {
				tid, done := make(chan int, 1), make(chan error, 1)
				go func() {
					thread(func() { tid <- unix.Gettid(); done <- w.do(ctx, q) })
				}()
				target := <-tid
				for range 100 {
					awaitWaiters(t, os.Getpid(), 1)
					require.NoError(t, unix.Tgkill(os.Getpid(), target, unix.SIGURG))
				}
				awaitWaiters(t, os.Getpid(), 1)
				require.NoError(t, w.allow(q))
				require.NoError(t, testload.InTime(t, done))
			})
		}
	})
}

// A signal that comes before the thread has entered the kernel is lost. The next one ends the wait.
func TestLostSignal(t *testing.T) {
	forWaits(t, func(t *testing.T, w wait, q *sysvmsg.Queue) {
		before := stat(t, q).Messages
		cmd := helper("lost signal", q)
		cmd.Env = append(cmd.Env, "WAIT="+w.name)
		out, err := cmd.Output()
		require.NoError(t, err, "%s", out)
		require.Equal(t, before, stat(t, q).Messages)
	})
}

func helpLostSignal(q *sysvmsg.Queue) error {
	number := uint32(unix.SYS_MSGRCV)
	w := waits[0]
	if os.Getenv("WAIT") == "Send" {
		number, w = unix.SYS_MSGSND, waits[1]
	}
	ctx, cancel := context.WithCancel(context.Background())
	var entries atomic.Int32
	const noWait = unix.IPC_NOWAIT
	err := intercept.Calls(number, func(c intercept.Call) intercept.Answer {
		flags := c.Args[4]
		if number == unix.SYS_MSGSND {
			flags = c.Args[3]
		}
		if flags&noWait == 0 && entries.Add(1) == 1 {
			cancel() // the kernel begins this call again after the signal's handler
			return intercept.Answer{After: 10 * time.Millisecond, Kernel: true}
		}
		return intercept.Answer{Kernel: true}
	})
	if err != nil {
		return err
	}
	if err := w.do(ctx, q); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("got %v", err)
	}
	if n := entries.Load(); n < 2 {
		return fmt.Errorf("the call was entered %d times: no signal was lost", n)
	}
	return nil
}

func TestContextIsRefusedWhereTheSignalIsIgnored(t *testing.T) {
	q := newQueue(t)
	require.NoError(t, q.TrySend(message(1, "a")))
	run(t, "ignore SIGURG", q, nil)
}

func helpIgnoreSignal(q *sysvmsg.Queue) error {
	signal.Ignore(syscall.SIGURG)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	buf := make([]byte, 10)
	if _, err := q.Receive(ctx, buf, 0, 0); err != nil {
		return fmt.Errorf("nothing to wait for: %w", err)
	}
	if _, err := q.Receive(ctx, buf, 0, 0); !errors.Is(err, sysvmsg.ErrUninterruptible) {
		return fmt.Errorf("ignored: %w", err)
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGURG)
	if _, err := q.Receive(ctx, buf, 0, 0); !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no longer ignored: %w", err)
	}
	return nil
}

func TestNilContext(t *testing.T) {
	q := newQueue(t)
	var none context.Context
	_, err := q.Receive(none, make([]byte, 10), 0, 0)
	require.NoError(t, expectText(err, "the context is nil (context.Background() never ends)",
		syscall.EINVAL))
	err = q.Send(none, message(1, "a"))
	require.NoError(t, expectText(err, "the context is nil (context.Background() never ends)",
		syscall.EINVAL))
	require.Zero(t, stat(t, q).Messages)
}
