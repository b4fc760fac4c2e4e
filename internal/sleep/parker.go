package sleep

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/sysvsem"
)

// A waiter is a record whose owner can wait. Its wake word is in the segment.
type waiter struct {
	parker   *Parker
	word     *uint64
	bits     *uint64 // the header's word that has bit: a set bit says that the record waits
	bit      uint64
	record   int           // of a subscriber; -1 for a publisher
	unparked atomic.Bool   // by this process: its context, Close, or the death of a client
	signal   chan struct{} // capacity 1: look again
	place    int           // index in Parker.waiters, guarded by its mutex
}

// newWaiter returns the waiter of a record. marks is the header's table of bits for its kind.
func newWaiter(p *Parker, word *uint64, marks, record int) waiter {
	return waiter{
		parker: p, word: word, record: -1, signal: make(chan struct{}, 1),
		bits: p.seg.Header(marks + 8*(record/64)), bit: 1 << (record % 64),
	}
}

// woken reports whether the waiter is to look again.
func (w *waiter) woken() bool {
	return w.unparked.Load() || layout.Wake(atomic.LoadUint64(w.word)).State() != layout.Asleep
}

func (w *waiter) nudge() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

// Unpark makes the current wait return. If the waiter does not wait, its next wait returns at once.
// It may be called by any goroutine.
func (w *waiter) Unpark() {
	w.unparked.Store(true)
	w.parker.mu.Lock()
	defer w.parker.mu.Unlock()
	w.parker.rouse(w)
}

// A Parker lets all waiters of one handle wait with one thread. The first waiter becomes the leader
// and waits in the kernel, on the client's sleep semaphore. Whenever that wait returns, the leader
// signals the waiters that were woken. If the leader was woken itself, it makes another waiter the
// leader. So a lone subscription returns straight from the kernel, without a hand-over between
// threads.
type Parker struct {
	seg *segment.Segment
	sem uint16

	mu           sync.Mutex
	interrupting bool // a goroutine runs interrupt
	waiters      []*waiter
	leader       *waiter
	err          error // why nobody can wait any more
}

// NewParker returns the Parker of the client with the given record.
func NewParker(seg *segment.Segment, client int) *Parker {
	return &Parker{seg: seg, sem: layout.SemSleep(client)}
}

// park returns when the wake word is no longer asleep, when the waiter is unparked, or when the
// limit has passed (negative: never). Before the call, the caller has made the word asleep and then
// looked once more at what it waits for.
func (w *waiter) park(ctx context.Context, limit time.Duration) error {
	p := w.parker
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, w.Unpark)
		defer stop()
	}
	var deadline time.Time
	var expired <-chan time.Time
	if limit >= 0 {
		deadline = time.Now().Add(limit)
	}
	p.mu.Lock()
	w.place = len(p.waiters)
	p.waiters = append(p.waiters, w)
	if p.leader == nil {
		p.leader = w
	}
	err, leads := p.err, p.leader == w
	p.mu.Unlock()
	// The process may have noticed the end of the bus, and unparked all waiters, before this one
	// was among them.
	if err == nil && p.seg.Removed() {
		err = segment.ErrRemoved
	}

	for err == nil && !w.woken() {
		if leads {
			left := time.Duration(-1)
			if limit >= 0 {
				left = max(time.Until(deadline), 0)
			}
			err = p.lead(w, left)
			if errors.Is(err, sysvsem.ErrTimeout) {
				err = nil
				break
			}
			continue
		}
		if limit >= 0 && expired == nil {
			timer := time.NewTimer(time.Until(deadline))
			defer timer.Stop()
			expired = timer.C
		}
		select {
		case <-w.signal:
		case <-expired:
			err = sysvsem.ErrTimeout
		}
		p.mu.Lock()
		leads = p.leader == w
		if err == nil {
			err = p.err
		}
		p.mu.Unlock()
	}
	p.leave(w)
	if errors.Is(err, sysvsem.ErrTimeout) {
		err = nil
	}
	w.unparked.Store(false)
	return err
}

// lead is the leader's system call, and its look at the other waiters after it.
func (p *Parker) lead(leader *waiter, limit time.Duration) error {
	ops := [1]sysvsem.Op{{Num: p.sem, Op: -1}}
	slice := limit
	if most := LongestWait(); most >= 0 && (limit < 0 || most < limit) {
		slice = most
	}
	err := p.seg.Set.WaitSignal(slice, ops[:])
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case errors.Is(err, sysvsem.ErrInterrupted), slice != limit && errors.Is(err, sysvsem.ErrTimeout):
		err = nil
	case err != nil && !errors.Is(err, sysvsem.ErrTimeout):
		// Without permission only this wait fails: the next leader finds out for itself.
		if err = p.seg.SemError(err); err == segment.ErrRemoved {
			p.err = err
		}
	}
	for _, w := range p.waiters {
		if w != leader && (p.err != nil || w.woken()) {
			w.nudge()
		}
	}
	return err
}

// leave takes a waiter out, and makes another the leader if it led.
func (p *Parker) leave(w *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.waiters) - 1
	p.waiters[w.place] = p.waiters[last]
	p.waiters[w.place].place = w.place
	p.waiters[last] = nil
	p.waiters = p.waiters[:last]
	if p.leader == w {
		p.leader = nil
		if last > 0 {
			p.leader = p.waiters[0]
			p.leader.nudge()
		}
	}
	select {
	case <-w.signal: // what was meant for this wait
	default:
	}
}

// UnparkAll makes all waiters look again.
func (p *Parker) UnparkAll() { p.unparkIf(func(*waiter) bool { return true }) }

// UnparkOwed makes those waiters look again to which a dead client may have owed a wake-up.
func (p *Parker) UnparkOwed() { p.unparkIf(p.mayBeOwed) }

func (p *Parker) unparkIf(f func(*waiter) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.waiters {
		if f(w) {
			w.unparked.Store(true)
			p.rouse(w)
		}
	}
}

// Fail makes all waits of the handle fail with err from now on.
func (p *Parker) Fail(err error) {
	p.mu.Lock()
	p.err = err
	p.mu.Unlock()
	p.UnparkAll()
}

// Waiting returns how many waiters there are, and whether one of them is about to look again.
func (p *Parker) Waiting() (n int, woken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.waiters {
		woken = woken || w.woken()
	}
	return len(p.waiters), woken
}

// rouse makes a waiter look at its word. The mutex is held.
func (p *Parker) rouse(w *waiter) {
	if p.leader != w {
		w.nudge()
		return
	}
	post := []sysvsem.Op{{Num: p.sem, Op: 1, Flags: sysvsem.NoWait}}
	if Post(p.seg, post) != nil && !p.interrupting {
		p.interrupting = true
		go p.interrupt()
	}
}

// interrupt makes the leader look again if this process may no longer post the semaphore, because
// it has given up the privileges with which it opened the bus. It interrupts the threads of this
// process until the leader has returned from the kernel.
func (p *Parker) interrupt() {
	for {
		p.mu.Lock()
		if p.leader == nil || !p.leader.unparked.Load() {
			p.interrupting = false
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		InterruptThreads()
		time.Sleep(time.Millisecond)
	}
}
