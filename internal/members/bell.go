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

// bellLimit is where the bell's value is taken down: half of what a semaphore holds, so that of
// several that try only one can.
const bellLimit = 16384

// ringBell does operations on semaphores that raise the bell. A bell at its maximum, which nobody
// has listened to for long, is taken down first.
func ringBell(seg *segment.Segment, ops []sysvsem.Op) error {
	err := seg.Set.TryOp(ops)
	if errors.Is(err, sysvsem.ErrRange) {
		lowerBell(seg) // or another process just has
		err = seg.Set.TryOp(ops)
	}
	return err
}

// lowerBell takes the bell's value down, unless another process has. Where nobody listens the
// value would grow until no client can join any more.
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
// The bell's value only grows: the kernel raises it when it undoes the operations of a process that
// ended. To wait for k+1 and give it back, in one operation, waits for a value above k and changes
// nothing, so everybody hears every ring.
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

// A listener waits for the bell: a thread that is in the kernel for as long as nobody dies. A
// signal ends its wait for any other reason, so that hearing itself needs no signal: programs that
// ignore SIGURG hear as well.
type listener struct {
	seg    *segment.Segment
	thread atomic.Int64  // that waits, most likely
	turn   atomic.Uint64 // odd during a wait; each wait has its own
	mu     sync.Mutex    // held while turn changes, and by during
}

// during reports what f returns, if the wait goes on. Until f returns the wait does not end, and
// the segment stays attached.
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

// bellLooks is how long after the beginning of a wait the count of resets is looked at. Another
// process may take the bell down after its value was read and before the wait begins: then the wait
// would be for a value that is far away. On a busy machine a wait may take long to begin, hence the
// second look. Once it has begun, the kernel ends it before anybody can take the bell down.
var bellLooks = []time.Duration{50 * time.Millisecond, 2 * time.Second}

// resets returns how often the bell was taken down.
func (l *listener) resets() uint64 {
	return atomic.LoadUint64(l.seg.Header(layout.HeaderBellResets))
}

// wait returns when the bell's value is above k, when the bell was taken down since the given
// number of resets, or, with an error, when the context ends. It may return early.
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
// another thread may wait by then, so the signal is sent again, in the end to all threads. Where
// the program ignores the signal the bell is rung, and all who listen look up.
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
