package bus

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/fence"
)

// A Reservation is room for one frame. The caller fills it in place and then commits or aborts it
// once, in any goroutine. Nobody sees or waits for a reservation, however long it is held, and any
// number may be outstanding. The garbage collector aborts a reservation that the program drops.
//
// An [Exclusive] publisher has one reservation at a time, in the slot that it publishes next. Until
// the reservation is committed or aborted, nothing else can be published. Reserve returns the same
// *Reservation each time, so the program must not use it after Commit or Abort: a late call acts on
// the reservation that is outstanding then.
type Reservation struct {
	p       *Publisher // whose Reserve returned it
	bytes   []byte
	inPlace bool
	spill   []byte // buffer for frames larger than a slot; exclusive only
	loan    *loan  // nil if exclusive
}

// A loan is the publisher record that a reservation has for itself. It ends once, by Commit, Abort
// or the garbage collector. It does not refer to the reservation, so that the collector can find
// the reservation unused.
type loan struct {
	over   atomic.Bool
	record *Publisher // nil for a reservation in a buffer
}

// take ends the loan, and reports whether this call was the first to do so.
func (l *loan) take() bool { return l.over.CompareAndSwap(false, true) }

// drop ends a loan whose reservation was not committed.
func (l *loan) drop() {
	if !l.take() || l.record == nil {
		return
	}
	l.record.enterHeld()
	l.record.unhold()
	l.record.exit()
	l.record.bus.pool.putBack(l.record)
}

// Reserve returns room for a frame of n bytes. A frame that fits a slot is in the segment itself,
// in a publisher record that the reservation has for itself until Commit or Abort. If no record is
// free, or the frame is larger than a slot, the room is a buffer, which Commit publishes.
func (p *Publisher) Reserve(n int) (*Reservation, error) {
	r, err := p.reserveRoom(n)
	return r, p.fail("reserve", err)
}

func (p *Publisher) reserveRoom(n int) (*Reservation, error) {
	switch limit := p.MaxFrame(); {
	case p.isClosed():
		return nil, ErrClosed
	case n <= 0:
		return nil, fmt.Errorf("%w: a frame has at least one byte, not %d", ErrInvalid, n)
	case n > limit:
		return nil, tooLarge(p.seg, n)
	}
	if p.shared {
		return p.reserveApart(n)
	}
	if err := p.enterAlone(); err != nil {
		return nil, err
	}
	defer p.exit()
	r := &p.reserve
	if r.bytes != nil {
		return nil, fmt.Errorf("%w: commit or abort it first", ErrBusy)
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
	p.fastAlone = 0
	fault.At(fault.PublishReserved)
	return r, nil
}

// reserveApart is Reserve for any goroutine.
func (p *Publisher) reserveApart(n int) (*Reservation, error) {
	r := &Reservation{p: p, loan: new(loan)}
	if n <= p.room {
		record, err := p.bus.pool.lend(p)
		if err != nil {
			return nil, err
		}
		r.loan.record = record
	}
	if record := r.loan.record; record != nil {
		r.inPlace, r.bytes = true, record.ring.Payload()[:n:n]
		fault.At(fault.PublishReserved)
		runtime.AddCleanup(r, (*loan).drop, r.loan)
	} else {
		r.bytes = make([]byte, n)
	}
	return r, nil
}

// Bytes returns the room. Its contents are undefined until the caller fills it. It must not be used
// after Commit or Abort.
func (r *Reservation) Bytes() []byte { return r.bytes }

// Commit publishes the frame, and waits as [Publisher.PublishRaw] does. After an error other than a
// [WakeupError] nothing is published, and the reservation has ended.
func (r *Reservation) Commit(ctx context.Context) error { return r.p.fail("commit", r.commit(ctx)) }

func (r *Reservation) commit(ctx context.Context) error {
	if r.loan != nil {
		return r.commitApart(ctx)
	}
	p := r.p
	if r.bytes == nil {
		return ErrClosed
	}
	defer p.exit()
	ok := p.enterHeld()
	frame := r.bytes
	r.bytes = nil
	p.unhold()
	p.allowFast()
	fault.At(fault.PublishCommitted)
	if err := alive(ctx); err != nil {
		return err
	}
	if !ok {
		return ErrClosed
	}
	return p.publishReserved(ctx, frame, r.inPlace)
}

// commitApart is Commit for any goroutine.
func (r *Reservation) commitApart(ctx context.Context) error {
	if !r.loan.take() {
		return ErrClosed
	}
	defer runtime.KeepAlive(r)
	record := r.loan.record
	if record == nil {
		return r.p.PublishRaw(ctx, r.bytes)
	}
	defer r.p.bus.pool.putBack(record)
	defer record.exit()
	ok := record.enterHeld()
	record.unhold()
	fault.At(fault.PublishCommitted)
	if err := alive(ctx); err != nil {
		return err
	}
	if !ok || r.p.isClosed() {
		return ErrClosed
	}
	return record.publishReserved(ctx, r.bytes, true)
}

// publishReserved publishes a frame that was reserved.
func (p *Publisher) publishReserved(ctx context.Context, frame []byte, inPlace bool) error {
	if !inPlace {
		return p.publishSlow(ctx, frame)
	}
	if fence.RaceEnabled {
		p.ring.CommitPayload(frame)
	}
	return p.publishFilled(ctx, len(frame))
}

// Abort gives the room back. It does nothing after Commit.
func (r *Reservation) Abort() {
	if r.loan != nil {
		r.loan.drop()
		return
	}
	if r.bytes == nil {
		return
	}
	r.p.enterHeld()
	r.bytes = nil
	r.p.unhold()
	r.p.allowFast()
	r.p.exit()
}
