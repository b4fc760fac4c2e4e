package bus

import (
	"context"
	"fmt"

	"shmbus/ring/fault"
	"shmbus/ring/fence"
)

// A Reservation is room for one frame, to be filled in place and then committed. It is the publisher's:
// there is one at a time, and nothing else can be published until it is committed or aborted. Nobody sees or waits for
// a reservation, however long it is held.
type Reservation struct {
	p       *Publisher
	bytes   []byte
	inPlace bool
	spill   []byte
}

// Reserve returns room for a frame of n bytes. Up to a slot's payload it is in the segment itself;
// a larger one is a buffer that Commit publishes as fragments.
func (p *Publisher) Reserve(n int) (*Reservation, error) {
	if !p.enter() {
		return nil, ErrClosed
	}
	defer p.exit()
	r := &p.reserve
	switch limit := p.MaxFrame(); {
	case r.bytes != nil:
		return nil, fmt.Errorf("%w: commit or abort it first", ErrBusy)
	case n <= 0:
		return nil, fmt.Errorf("reserve: a frame has at least one byte, not %d", n)
	case n > limit:
		return nil, p.tooLarge(n)
	}
	r.p, r.inPlace = p, n <= p.room
	if r.inPlace {
		r.bytes = p.ring.Payload()[:n:n]
	} else {
		if cap(r.spill) < n {
			r.spill = make([]byte, n)
		}
		r.bytes = r.spill[:n]
	}
	p.hold()
	p.plain = 0
	fault.At(fault.PublishReserved)
	return r, nil
}

// Bytes returns the room. Its contents are undefined before it is filled. It must not be touched
// after Commit or Abort.
func (r *Reservation) Bytes() []byte { return r.bytes }

// Commit publishes the frame, waiting as [Publisher.PublishRaw] does. After an error nothing is published, and the
// reservation is gone.
func (r *Reservation) Commit(ctx context.Context) error {
	p := r.p
	if r.bytes == nil {
		return fmt.Errorf("commit: %w", ErrClosed)
	}
	defer p.exit()
	ok := p.enterHeld()
	frame := r.bytes
	r.bytes = nil
	p.unhold()
	p.directly()
	fault.At(fault.PublishCommitted)
	if !ok {
		return ErrClosed
	}
	if !r.inPlace {
		return p.publishSlow(ctx, frame)
	}
	if fence.RaceEnabled {
		p.ring.CommitPayload(frame)
	}
	return p.publishFilled(ctx, len(frame))
}

// Abort gives the room back. It does nothing after Commit.
func (r *Reservation) Abort() {
	if r.bytes == nil {
		return
	}
	r.p.enterHeld()
	r.bytes = nil
	r.p.unhold()
	r.p.directly()
	r.p.exit()
}
