package ring

import (
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/fence"
	"shmbus/layout"
)

// A Start says where a reader begins. The zero Start is the result of [FromNow].
type Start struct {
	kind     startKind
	position uint64
}

type startKind uint8

const (
	fromNow startKind = iota
	fromOldest
	fromPosition
)

// FromNow begins with the next message to be published.
func FromNow() Start { return Start{} }

// FromOldest begins with the oldest message that the ring still holds.
func FromOldest() Start { return Start{kind: fromOldest} }

// From begins at a position, which may already be overwritten or not yet be published.
func From(position uint64) Start { return Start{fromPosition, position} }

// Join returns a cursor for subscriber record s, which the caller owns. For a reliable reader it
// closes the record's gate first: from then on publishers wait for the reader.
//
// A reliable reader loses no message at or above the head that Join found. Older messages, asked
// for with FromOldest or From, are protected from now on, but a publisher that has not yet seen the
// gate may still overwrite some of them. Then the cursor's status is Lapped, as for other readers.
//
// A gate protects only what the ring still holds. If From names a position that is already
// overwritten, the reader first learns of that loss, from [Cursor.Jump]. Until then the gate
// protects only what is published at or above the head that Join found, so publishers have room for
// one lap. A gate at the oldest position or below it would make the ring full: all publishers would
// stop until the reader begins to read.
func (r *Ring) Join(s int, start Start, reliable bool) *Cursor {
	c := &Cursor{memory: r.memory, r: r, shared: r.subWord(s, layout.SubCursor)}
	head := r.Head()
	if !reliable {
		c.SetNext(r.startAt(start, head))
		fault.At(fault.SubscribeCursor)
		fault.At(fault.SubscribeJoined)
		return c
	}
	atomic.StoreUint64(c.shared, r.protectFrom(r.startAt(start, head), head))
	fault.At(fault.SubscribeCursor)
	r.CloseGate(s)
	// The start is determined only now, after the gate is closed: see Publisher.Rescan.
	head = r.headFrom(head)
	c.next = r.startAt(start, head)
	fence.StoreRelease(c.shared, r.protectFrom(c.next, head))
	fault.At(fault.SubscribeJoined)
	return c
}

// Reader returns a cursor without a subscriber record. It is not visible in shared memory, and
// publishers never wait for it.
func (r *Ring) Reader(start Start) *Cursor {
	c := &Cursor{memory: r.memory, r: r, shared: new(uint64)}
	c.SetNext(r.startAt(start, r.Head()))
	return c
}

// startAt returns the position at which a reader with the given start begins.
func (r *Ring) startAt(start Start, head uint64) uint64 {
	switch start.kind {
	case fromOldest:
		return r.Oldest(head)
	case fromPosition:
		return start.position
	default:
		return head
	}
}

// protectFrom returns the position from which on a reader's gate protects messages, if the reader
// begins at the given position.
func (r *Ring) protectFrom(begin, head uint64) uint64 {
	if begin < r.Oldest(head) {
		return head
	}
	return begin
}
