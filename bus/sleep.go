package bus

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/sysvsem"
)

// A sleeper is one publisher or subscription that can wait. Its wake word is in the segment.
type sleeper struct {
	word   *uint64
	kicked atomic.Bool   // by this process: its context, Close, or the death bell
	signal chan struct{} // capacity 1: look again
	placed int           // index in dormitory.beds, guarded by its mutex
	sub    int           // the subscriber record that it is of; -1 for a publisher
}

func newSleeper(word *uint64) *sleeper {
	return &sleeper{word: word, signal: make(chan struct{}, 1), sub: -1}
}

// fallAsleep marks the wake word: from now on, publishers wake its owner. They do not move it yet.
func (s *sleeper) fallAsleep() {
	old := layout.Wake(atomic.LoadUint64(s.word))
	atomic.StoreUint64(s.word, uint64(layout.MakeWake(layout.NotYet, old.Generation()+1, layout.Asleep)))
}

// lookedAt notes that the sleeper took its last look and found nothing at position: now it can be certified. If
// it was claimed meanwhile, it stays as it is.
func (s *sleeper) lookedAt(position uint64) {
	w := layout.Wake(atomic.LoadUint64(s.word))
	if w.State() == layout.Asleep {
		atomic.CompareAndSwapUint64(s.word, uint64(w), uint64(layout.MakeWake(position, w.Generation(), layout.Asleep)))
	}
}

func (s *sleeper) woken() bool {
	return s.kicked.Load() || layout.Wake(atomic.LoadUint64(s.word)).State() != layout.Asleep
}

func (s *sleeper) nudge() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// A dormitory is where all sleepers of one handle sleep, with one thread: the first becomes the leader and
// waits in the kernel on the client's semaphore. Whenever that returns it nudges who was woken;
// when it has what it waited for itself, it makes another one the leader. So a lone subscription
// returns straight from the kernel, without a hand-over between threads.
type dormitory struct {
	seg *segment.Segment
	sem uint16

	mu           sync.Mutex
	interrupting bool // a goroutine does it
	beds         []*sleeper
	leader       *sleeper
	err          error // ErrRemoved when the semaphore set is gone; else why the handle cannot hear of deaths
}

// wait returns when the sleeper's wake word is no longer asleep, when it is kicked, or when timeout has passed
// (negative: never). The sleeper has looked at what it waits for after it fell asleep.
func (d *dormitory) wait(ctx context.Context, s *sleeper, timeout time.Duration) error {
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, func() { d.kick(s) })
		defer stop()
	}
	var deadline time.Time
	var expired <-chan time.Time
	if timeout >= 0 {
		deadline = time.Now().Add(timeout)
	}
	d.mu.Lock()
	s.placed = len(d.beds)
	d.beds = append(d.beds, s)
	if d.leader == nil {
		d.leader = s
	}
	err, leads := d.err, d.leader == s
	d.mu.Unlock()
	if err == nil && d.seg.Removed() { // whoever found that out may have kicked all before this one had its bed
		err = ErrRemoved
	}

	for err == nil && !s.woken() {
		if leads {
			left := time.Duration(-1)
			if timeout >= 0 {
				left = max(time.Until(deadline), 0)
			}
			err = d.sleep(s, left)
			if errors.Is(err, sysvsem.ErrTimeout) {
				err = nil
				break
			}
			continue
		}
		if timeout >= 0 && expired == nil {
			timer := time.NewTimer(time.Until(deadline))
			defer timer.Stop()
			expired = timer.C
		}
		select {
		case <-s.signal:
		case <-expired:
			err = sysvsem.ErrTimeout
		}
		d.mu.Lock()
		leads = d.leader == s
		if err == nil {
			err = d.err
		}
		d.mu.Unlock()
	}
	d.leave(s)
	if errors.Is(err, sysvsem.ErrTimeout) {
		err = nil
	}
	s.kicked.Store(false)
	return err
}

// sleep is the leader's system call, and the look at the others after it.
func (d *dormitory) sleep(leader *sleeper, timeout time.Duration) error {
	ops := [1]sysvsem.Op{{Num: d.sem, Op: -1}}
	slice := timeout
	if most := longestWait(); most >= 0 && (timeout < 0 || most < timeout) {
		slice = most
	}
	err := d.seg.Set.WaitSignal(slice, ops[:])
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case errors.Is(err, sysvsem.ErrInterrupted), slice != timeout && errors.Is(err, sysvsem.ErrTimeout):
		err = nil
	case err != nil && !errors.Is(err, sysvsem.ErrTimeout):
		// Without permission only this sleep fails: the next leader finds out for itself.
		if err = d.seg.SemError(err); err == ErrRemoved {
			d.err = err
		}
	}
	for _, s := range d.beds {
		if s != leader && (d.err != nil || s.woken()) {
			s.nudge()
		}
	}
	return err
}

// leave takes a sleeper's bed, and its office if it leads.
func (d *dormitory) leave(s *sleeper) {
	d.mu.Lock()
	defer d.mu.Unlock()
	last := len(d.beds) - 1
	d.beds[s.placed] = d.beds[last]
	d.beds[s.placed].placed = s.placed
	d.beds[last] = nil
	d.beds = d.beds[:last]
	if d.leader == s {
		d.leader = nil
		if last > 0 {
			d.leader = d.beds[0]
			d.leader.nudge()
		}
	}
	select {
	case <-s.signal: // what was meant for this sleep
	default:
	}
}

// kick makes the sleeper return from wait, now or, if it does not sleep, the next time.
func (d *dormitory) kick(s *sleeper) {
	s.kicked.Store(true)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rouse(s)
}

// kickAll makes all who sleep look again.
func (d *dormitory) kickAll() { d.kickIf(func(*sleeper) bool { return true }) }

// kickIf makes those look again of whom f is true.
func (d *dormitory) kickIf(f func(*sleeper) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.beds {
		if f(s) {
			s.kicked.Store(true)
			d.rouse(s)
		}
	}
}

// fail makes all waits of the handle fail from now on.
func (d *dormitory) fail(err error) {
	d.mu.Lock()
	d.err = err
	d.mu.Unlock()
	d.kickAll()
}

func (d *dormitory) rouse(s *sleeper) {
	if d.leader != s {
		s.nudge()
		return
	}
	if posted(d.seg, []sysvsem.Op{{Num: d.sem, Op: 1, Flags: sysvsem.NoWait}}) != nil && !d.interrupting {
		d.interrupting = true
		go d.interrupt()
	}
}

// interrupt makes a leader look again that this process may not post any more, since it has given up the privileges
// with which it opened the bus: every thread of the process gets the signal that Go's runtime uses and ignores, until the leader
// has been out of the kernel.
func (d *dormitory) interrupt() {
	for {
		d.mu.Lock()
		if d.leader == nil || !d.leader.kicked.Load() {
			d.interrupting = false
			d.mu.Unlock()
			return
		}
		d.mu.Unlock()
		interruptThreads()
		time.Sleep(time.Millisecond)
	}
}

// deafWait is how long a program that ignores SIGURG waits in the kernel at most before it looks up: where it may not post any more either,
// nothing would end its waits.
const deafWait = time.Second

// longestWait returns how long a wait in the kernel may last; -1: without end.
func longestWait() time.Duration {
	if signal.Ignored(unix.SIGURG) {
		return deafWait
	}
	return -1
}

// interruptThreads sends every thread of this process the signal that Go's runtime uses and otherwise ignores: whoever waits
// in the kernel returns.
func interruptThreads() {
	threads, _ := os.ReadDir("/proc/self/task")
	for _, t := range threads {
		if tid, err := strconv.Atoi(t.Name()); err == nil {
			unix.Tgkill(os.Getpid(), tid, unix.SIGURG)
		}
	}
}
