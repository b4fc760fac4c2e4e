package sleep

import (
	"context"
	"sync/atomic"
	"time"

	"shmbus/internal/fault"
	"shmbus/layout"
)

// A Publisher is a publisher record of this process that can sleep until there is room.
type Publisher struct{ waiter }

// NewPublisher returns the sleeping side of a publisher record that this client owns.
func NewPublisher(p *Parker, record int) *Publisher {
	return &Publisher{newWaiter(p, p.seg.Pub(record, layout.PubWake), layout.HeaderBlocked, record)}
}

// FallAsleep lets subscribers that move on wake this publisher from now on. The caller then looks
// once more whether there is room.
func (p *Publisher) FallAsleep() {
	fallAsleep(p.word)
	fault.At(fault.RoomAsleep)
	atomic.OrUint64(p.bits, p.bit)
	fault.At(fault.RoomBlocked)
}

// Wait returns when somebody has woken the publisher, [Publisher.Unpark] was called, the context
// or the time limit has ended, or, with an error, when it can no longer wait.
func (p *Publisher) Wait(ctx context.Context, limit time.Duration) error {
	return p.park(ctx, limit)
}

// WakeUp ends the sleep, whatever ended the wait.
func (p *Publisher) WakeUp() {
	fault.At(fault.RoomSlept)
	atomic.AndUint64(p.bits, ^p.bit)
	Awaken(p.word)
	fault.At(fault.RoomResumed)
}
