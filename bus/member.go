package bus

import (
	"context"
	"sync"

	"shmbus/internal/segment"
	"shmbus/internal/sleep"
	"shmbus/ring"
)

// A member is one client of a bus: its record and semaphores in the segment, its goroutines that wait, and the tasks that it has of its
// own, which hear of deaths and look whether the bus is still there. An observer's has no record, no semaphores, and nobody's death to hear.
type member struct {
	seg    *segment.Segment
	ring   *ring.Ring
	client client
	parker *sleep.Parker

	present  func() bool // reports whether the bus is still there
	watching sync.Once
	patrol   patrol

	ctx    context.Context // ends with stop
	cancel context.CancelFunc
	mu     sync.Mutex // guards ended, and that no task begins after it
	ended  bool
	tasks  sync.WaitGroup
}

func newMember(seg *segment.Segment, r *ring.Ring, me client, present func() bool) *member {
	m := newPassive(seg, r, present)
	m.client, m.parker = me, sleep.NewParker(seg, me.index)
	return m
}

// newPassive returns the member of an observer.
func newPassive(seg *segment.Segment, r *ring.Ring, present func() bool) *member {
	m := &member{seg: seg, ring: r, present: present}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// begin runs a task in a goroutine of its own, unless the member has been stopped.
func (m *member) begin(task func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ended {
		m.tasks.Go(task)
	}
}

// stop makes the member's tasks end, and wait returns when they have.
func (m *member) stop() {
	m.mu.Lock()
	m.ended = true
	m.mu.Unlock()
	m.cancel()
}

func (m *member) wait() { m.tasks.Wait() }
