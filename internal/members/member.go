package members

import (
	"context"
	"sync"

	"shmbus/internal/segment"
	"shmbus/internal/sleep"
	"shmbus/layout"
	"shmbus/ring"
)

// A Member is the client of a bus that a handle of this process is: its record and semaphores, its
// waiters, and its tasks, which are goroutines that hear of deaths and look whether the bus is
// still there. Its methods may be called by any goroutine.
type Member struct {
	Owner  layout.Owner  // of records that are this client's
	Parker *sleep.Parker // of all waiters of the handle; nil for an observer's

	seg      *segment.Segment
	ring     *ring.Ring
	present  func() bool // reports whether the bus is still there
	presence presence
	watching sync.Once

	ctx    context.Context // ends with Stop
	cancel context.CancelFunc
	mu     sync.Mutex // guards ended: no task begins after Stop
	ended  bool
	tasks  sync.WaitGroup
}

// New returns the Member with the given client record, as [Join] returned it. present reports
// whether the bus is still there, as far as can be told from outside the segment.
func New(seg *segment.Segment, r *ring.Ring, me layout.Owner, present func() bool) *Member {
	m := NewObserver(seg, r, present)
	m.Owner, m.Parker = me, sleep.NewParker(seg, me.Client())
	return m
}

// NewObserver returns the Member of a handle that has no client record and writes nothing: it has
// a presence check and nothing else.
func NewObserver(seg *segment.Segment, r *ring.Ring, present func() bool) *Member {
	m := &Member{seg: seg, ring: r, present: present}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// begin runs a task in a goroutine of its own, unless the member was stopped.
func (m *Member) begin(task func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ended {
		m.tasks.Go(task)
	}
}

// Stop makes the tasks end, and the calls of [Member.WatchDeaths]. [Member.Wait] returns when the
// tasks have ended.
func (m *Member) Stop() {
	m.mu.Lock()
	m.ended = true
	m.mu.Unlock()
	m.cancel()
}

// Stopped reports whether Stop was called.
func (m *Member) Stopped() bool { return m.ctx.Err() != nil }

// Wait waits until all tasks have ended. Then nothing of the member touches the segment any more.
func (m *Member) Wait() { m.tasks.Wait() }

// PrepareToSleep starts what a waiter of this member relies on, once: from then on a death makes
// those waiters look again to whom the dead may have owed a wake-up, and a bus that is gone makes
// all look. If the member cannot hear of deaths, its waiters cannot wait.
func (m *Member) PrepareToSleep() {
	m.watching.Do(func() { m.begin(m.watchForWaiters) })
	m.BeginWait()
}
