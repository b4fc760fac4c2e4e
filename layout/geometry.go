package layout

import (
	"errors"
	"fmt"
	"math/bits"
)

// Bounds of a geometry. They follow from the widths of the fields in an entry (20 bits of slot), in
// a frame header (24 bits of size, 16 of publisher and of topic) and in an owner word (16 bits of
// client).
const (
	MinSlots       = 8
	MaxSlots       = 1 << 19
	MinSlotSize    = 64
	MaxSlotSize    = 1 << 24
	MinOwned       = 2
	MaxOwned       = 12
	MaxPublishers  = 4096
	MaxSubscribers = 1024
	MaxClients     = 8192
	MaxTopics      = 1 << 16
	MaxFrameSize   = 1 << 30

	// TotalSlotsLimit bounds the slots of the ring and of all publisher records together.
	TotalSlotsLimit = 1 << slotBits
	// MaxFragments bounds the fragments of one frame.
	MaxFragments = 1 << 24
)

// Line is the distance, in bytes, between words that different processes write: two cache lines,
// because processors fetch adjacent lines as a pair.
const Line = 128

// ErrGeometry means that a bus cannot have these sizes.
var ErrGeometry = errors.New("impossible sizes")

// A Geometry holds the sizes that are fixed when a bus is created.
type Geometry struct {
	Slots       int // messages the ring holds; a power of two
	SlotSize    int // bytes of a slot, header included; a multiple of 64
	Owned       int // slots that each publisher record owns besides the ring's
	Publishers  int // publisher records
	Subscribers int // subscriber records; a multiple of 64
	Clients     int // client records: attached handles
	Topics      int // topic records
	MaxFrame    int // largest frame in bytes, fragments together
}

// Default returns a geometry that suits most uses; it takes less than 5 MiB. With fewer slots,
// small messages are slower, because the slot that is written next is still in the cache of the
// processor that has read it one lap before.
func Default() Geometry {
	g := Geometry{
		Slots: 16384, SlotSize: 256, Owned: 8,
		Publishers: 64, Subscribers: 256, Clients: 352, Topics: 1024,
	}
	g.MaxFrame = g.DefaultMaxFrame()
	return g
}

// DefaultMaxFrame returns the largest frame, in bytes, of a bus whose creator does not set it: 16
// MiB, or what the ring carries, if that is less.
func (g Geometry) DefaultMaxFrame() int { return max(min(16<<20, g.Carries()), 1) }

// Carries returns the size, in bytes, of the largest frame that the ring carries: such a frame,
// with its publish time, takes half of the ring's positions. The whole frame is in the ring from
// its publication until half a lap later. So it reaches a lossy reader that was asleep when the
// publication began, and a publisher that waits for a reliable subscriber has room for the frame as
// soon as the subscriber has read what came before it. A frame of more positions than the ring has
// could be read only while it is being published, and only if its publisher waits.
func (g Geometry) Carries() int {
	return max(g.Slots/2*(g.SlotPayload()-FragmentPrefix)-TimeSize, 0)
}

// FrameLimit returns the size, in bytes, of the largest frame that can be published: MaxFrame, or
// what the ring carries, if that is less. In a bus that an earlier version created, MaxFrame may be
// larger than what the ring carries.
func (g Geometry) FrameLimit() int { return min(g.MaxFrame, g.Carries()) }

// SlotPayload returns how many bytes of a slot carry a frame or a fragment.
func (g Geometry) SlotPayload() int { return g.SlotSize - FrameHeaderSize }

// TotalSlots returns the number of all slots: those of the ring and those of the publisher records.
func (g Geometry) TotalSlots() int { return g.Slots + g.Publishers*g.Owned }

// SubscriberWords returns how many words a bitmap with a bit for each subscriber has.
func (g Geometry) SubscriberWords() int { return g.Subscribers / 64 }

// PublisherWords returns how many words a bitmap with a bit for each publisher has.
func (g Geometry) PublisherWords() int { return (g.Publishers + 63) / 64 }

// Fragments returns how many positions a frame of n bytes takes.
func (g Geometry) Fragments(n int) int {
	p := g.SlotPayload()
	if n <= p {
		return 1
	}
	p -= FragmentPrefix
	return (n + p - 1) / p
}

// Validate checks all sizes. Its error wraps [ErrGeometry], and names each size that is out of
// bounds together with its bounds.
func (g Geometry) Validate() error {
	bad := func(format string, a ...any) error {
		return fmt.Errorf("%w: %s", ErrGeometry, fmt.Sprintf(format, a...))
	}
	check := func(what string, v, lo, hi int) error {
		if v < lo || v > hi {
			return bad("%s %d is not in %d…%d", what, v, lo, hi)
		}
		return nil
	}
	if err := errors.Join(
		check("slots", g.Slots, MinSlots, MaxSlots),
		check("slot size", g.SlotSize, MinSlotSize, MaxSlotSize),
		check("owned slots per publisher", g.Owned, MinOwned, MaxOwned),
		check("publishers", g.Publishers, 1, MaxPublishers),
		check("subscribers", g.Subscribers, 64, MaxSubscribers),
		check("clients", g.Clients, 2, MaxClients),
		check("topics", g.Topics, 1, MaxTopics),
		check("largest frame", g.MaxFrame, 1, MaxFrameSize),
	); err != nil {
		return err
	}
	switch {
	case bits.OnesCount(uint(g.Slots)) != 1:
		return bad("slots %d is not a power of two (try %d)", g.Slots, 1<<bits.Len(uint(g.Slots)))
	case g.SlotSize%64 != 0:
		return bad("slot size %d is not a multiple of 64 (try %d)",
			g.SlotSize, (g.SlotSize+63)/64*64)
	case g.Subscribers%64 != 0:
		return bad("subscribers %d is not a multiple of 64 (try %d)",
			g.Subscribers, (g.Subscribers+63)/64*64)
	case g.TotalSlots() > TotalSlotsLimit:
		return bad("%d ring slots and %d owned ones are more than %d together: "+
			"use fewer slots, publishers or owned slots",
			g.Slots, g.Publishers*g.Owned, TotalSlotsLimit)
	case g.Fragments(g.MaxFrame) > MaxFragments:
		return bad("a frame of %d bytes needs more than %d slots of %d bytes: use larger slots",
			g.MaxFrame, MaxFragments, g.SlotSize)
	}
	return nil
}
