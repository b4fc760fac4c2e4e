package ring

import (
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/fence"
	"shmbus/layout"
)

// A Start says where a reader begins.
type Start struct {
	kind     uint8
	position uint64
}

// FromNow begins with the next message to be published.
func FromNow() Start { return Start{} }

// FromOldest begins with the oldest message that the ring still holds.
func FromOldest() Start { return Start{kind: 1} }

// From begins at a position, which may be lost already or not yet published.
func From(position uint64) Start { return Start{kind: 2, position: position} }

// Join returns a cursor for subscriber record s, which its caller owns, and closes the
// record's gate first if the reader is to be reliable.
//
// A reliable reader loses nothing from the head on that Join found. What is older than
// that, asked for by FromOldest or From, is held from now on, but a publisher that has not yet seen the gate
// may still overwrite some of it; the cursor then says Lapped as it does for others.
//
// A gate protects only what is still held. If From names a position that is overwritten already, the reader has a loss to learn first,
// whatever others do: until its [Cursor.Jump], the gate protects what is published from the head on that Join found,
// and publishers have a lap of room. A gate at the oldest position, or before it, would be a full ring: it would stop
// all publishers until the reader has begun to read.
func (r *Ring) Join(s int, start Start, reliable bool) *Cursor {
	c := &Cursor{memory: r.memory, r: r, shared: r.subWord(s, layout.SubCursor)}
	head := r.Head()
	if !reliable {
		c.SetNext(c.startAt(start, head))
		fault.At(fault.SubscribeCursor)
		fault.At(fault.SubscribeJoined)
		return c
	}
	atomic.StoreUint64(c.shared, r.keeps(c.startAt(start, head), head))
	fault.At(fault.SubscribeCursor)
	r.CloseGate(s)
	// Only now is the start taken: see Publisher.Rescan.
	head = r.headFrom(head)
	c.next = c.startAt(start, head)
	fence.StoreRelease(c.shared, r.keeps(c.next, head))
	fault.At(fault.SubscribeJoined)
	return c
}

// keeps returns the position that the gate of a reader protects that is to start at the given one.
func (r *Ring) keeps(start, head uint64) uint64 {
	if start < r.Oldest(head) {
		return head
	}
	return start
}

func (c *Cursor) startAt(start Start, head uint64) uint64 {
	switch start.kind {
	case 1:
		return c.r.Oldest(head)
	case 2:
		return start.position
	default:
		return head
	}
}

// Reader returns a cursor that belongs to no record: nobody sees it and nobody waits for it.
func (r *Ring) Reader(start Start) *Cursor {
	c := &Cursor{memory: r.memory, r: r, shared: new(uint64)}
	c.SetNext(c.startAt(start, r.Head()))
	return c
}
