package members

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"shmbus/internal/fault"
	"shmbus/internal/linux"
	"shmbus/internal/segment"
	"shmbus/internal/sleep"
	"shmbus/layout"
	"shmbus/sysvsem"
)

// bellLimit is the value at which the bell is lowered. It is half of the maximum of a semaphore, so
// that only one of several processes that try to lower the bell succeeds.
const bellLimit = 16384

// ringBell does semaphore operations that raise the bell. If the bell is at its maximum, because
// nobody has listened for long, ringBell lowers it first.
func ringBell(seg *segment.Segment, ops []sysvsem.Op) error {
	err := seg.Set.TryOp(ops)
	if errors.Is(err, sysvsem.ErrRange) {
		lowerBell(seg) // or another process just has
		err = seg.Set.TryOp(ops)
	}
	return err
}

// lowerBell lowers the bell's value, unless another process has done so. Where nobody listens, the
// value would otherwise grow until no client can join.
func lowerBell(seg *segment.Segment) bool {
	down := []sysvsem.Op{{Num: layout.SemBell, Op: -bellLimit, Flags: sysvsem.NoWait}}
	if seg.Set.TryOp(down) != nil {
		return false
	}
	fault.At(fault.BellLowered)
	atomic.AddUint64(seg.Header(layout.HeaderBellResets), 1)
	return true
}

// listen calls f now and whenever the bell has rung, with the values of all semaphores. It returns
// when the context ends, or with another error if it cannot listen.
//
// Except for lowerBell, the bell's value only grows: the kernel raises it when it undoes the
// operations of a process that ended. One atomic operation that takes k+1 and adds k+1 waits for a
// value above k and changes nothing. So every listener hears every ring.
func listen(ctx context.Context, seg *segment.Segment, f func(lives []uint16)) error {
	l := listener{seg: seg}
	defer context.AfterFunc(ctx, func() { l.wake(l.turn.Load()) })()
	for {
		resets := l.resets()
		lives, err := seg.Set.GetAll()
		if err != nil {
			return seg.SemError(err)
		}
		if seg.Removed() {
			return segment.ErrRemoved
		}
		fault.At(fault.BellRead)
		f(lives)
		fault.At(fault.BellHeard)
		k := lives[layout.SemBell]
		if k >= bellLimit {
			lowerBell(seg)
			continue
		}
		if err := l.wait(ctx, k, resets); err != nil {
			return err
		}
	}
}

// A listener waits for the bell in a thread that is in the kernel for as long as nobody dies. Only
// other reasons to return use a signal. So a program that ignores SIGURG hears deaths as well.
type listener struct {
	seg    *segment.Segment
	thread atomic.Int64  // the thread that most likely waits
	turn   atomic.Uint64 // odd during a wait; each wait has its own
	mu     sync.Mutex    // held while turn changes, and by during
}

// during calls f if the wait of that turn still goes on, and returns its result. Until f returns,
// the wait does not end and the segment stays attached.
func (l *listener) during(turn uint64, f func() bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.turn.Load() == turn && f()
}

func (l *listener) endWait() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn.Add(1)
}

// bellLooks are the times after the beginning of a wait at which the count of resets is checked.
// Another process may lower the bell after its value was read and before the wait begins; then the
// wait would be for a value that is far away. On a busy machine a wait may take long to begin,
// hence the second look. Once the wait has begun, the kernel ends it before anybody can lower the
// bell.
var bellLooks = []time.Duration{50 * time.Millisecond, 2 * time.Second}

// resets returns how often the bell was lowered.
func (l *listener) resets() uint64 {
	return atomic.LoadUint64(l.seg.Header(layout.HeaderBellResets))
}

// wait returns when the bell's value is above k, when the bell was lowered since the given number
// of resets, or, with an error, when the context ends. It may return early.
func (l *listener) wait(ctx context.Context, k uint16, resets uint64) error {
	l.thread.Store(int64(linux.Gettid()))
	turn := l.turn.Add(1)
	defer l.endWait()
	for _, after := range bellLooks {
		defer time.AfterFunc(after, func() {
			if l.during(turn, func() bool { return l.resets() != resets }) {
				l.wake(turn)
			}
		}).Stop()
	}
	if err := ctx.Err(); err != nil || l.resets() != resets {
		return err
	}
	above := []sysvsem.Op{
		{Num: layout.SemBell, Op: -int16(k + 1)},
		{Num: layout.SemBell, Op: int16(k + 1)},
	}
	err := l.seg.Set.WaitSignal(sleep.LongestWait(), above)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && err != sysvsem.ErrInterrupted && !errors.Is(err, sysvsem.ErrTimeout) {
		return l.seg.SemError(err)
	}
	return nil
}

// wake ends a wait, if it still goes on. A signal may come before the thread is in the kernel, and
// another thread may be the one that waits by then. So the signal is sent again, and in the end to
// all threads. If the program ignores the signal, wake rings the bell instead, and all listeners
// look.
func (l *listener) wake(turn uint64) {
	for n := 0; turn%2 == 1 && l.turn.Load() == turn; n++ {
		switch {
		case !linux.CanInterrupt():
			l.during(turn, func() bool {
				return ringBell(l.seg, []sysvsem.Op{{Num: layout.SemBell, Op: 1}}) == nil
			})
			time.Sleep(9 * time.Millisecond)
		case n < 10:
			linux.Interrupt(int(l.thread.Load()))
		default:
			sleep.InterruptThreads()
		}
		time.Sleep(time.Millisecond)
	}
}
