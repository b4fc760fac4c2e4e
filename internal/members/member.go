package members

import (
	"context"
	"sync"

	"shmbus/internal/segment"
	"shmbus/internal/sleep"
	"shmbus/layout"
	"shmbus/ring"
)

// A Member is the client of one handle: its record and semaphores, its waiters, and its tasks.
// Tasks are goroutines that hear of deaths and check whether the bus is still there. Its methods
// may be called by any goroutine.
type Member struct {
	Owner  layout.Owner  // the owner word of this client's records
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
// whether the bus is still there, as far as the system shows it outside the segment.
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

// Wait waits until all tasks have ended. Then no task touches the segment any more.
func (m *Member) Wait() { m.tasks.Wait() }

// PrepareToSleep starts, once, the tasks on which waiters of this member rely. From then on a death
// makes those waiters look again to which the dead client may have owed a wake-up, and the end of
// the bus makes all waiters look. If the member cannot hear of deaths, its waiters cannot wait.
func (m *Member) PrepareToSleep() {
	m.watching.Do(func() { m.begin(m.watchForWaiters) })
	m.BeginWait()
}
