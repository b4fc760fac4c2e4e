package layout

import (
	"errors"
	"fmt"
	"math/bits"
)

// Bounds of a geometry. They follow from the widths of the fields in an entry
// word (20 bits of slot), a frame header (24 bits of size, 16 of publisher and
// topic) and an owner word (16 bits of client).
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

	// TotalSlotsLimit bounds ring slots and owned slots together.
	TotalSlotsLimit = 1 << slotBits
	// MaxFragments bounds the fragments of one frame.
	MaxFragments = 1 << 24
)

// Line is the distance, in bytes, between words that different processes write:
// two cache lines, since adjacent lines are prefetched as a pair.
const Line = 128

// ErrGeometry is wrapped by every error about sizes that cannot make a bus.
var ErrGeometry = errors.New("layout: impossible geometry")

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

// Default returns the geometry that suits most: under 5 MiB. A ring of
// fewer slots is slower with small messages, since those that are written next are still in the cache of who read them a lap ago.
func Default() Geometry {
	g := Geometry{
		Slots: 16384, SlotSize: 256, Owned: 8,
		Publishers: 64, Subscribers: 256, Clients: 352, Topics: 1024,
	}
	g.MaxFrame = g.DefaultMaxFrame()
	return g
}

// DefaultMaxFrame returns the largest frame of a bus that is created without a word about it: 16 MiB, or what
// its ring carries, if that is less.
func (g Geometry) DefaultMaxFrame() int { return max(min(16<<20, g.Carries()), 1) }

// Carries returns the bytes of the largest frame that the ring carries, time included or not: one that takes half of its
// positions. While such a frame is published, and for another half lap after it, all of it is there to be read: so it
// reaches a reader that nobody waits for and that was asleep when it began, and a publisher that waits for a reliable
// subscriber has room for it as soon as that one has read what was there before. What takes more than the ring has
// positions could only be read while it is being published, and only if its publisher waits.
func (g Geometry) Carries() int {
	return max(g.Slots/2*(g.SlotPayload()-FragmentPrefix)-TimeSize, 0)
}

// FrameLimit returns the bytes of the largest frame that is published on a bus of this geometry: MaxFrame, or what the ring
// carries, if that is less. A bus that was made by an earlier version may have been promised more.
func (g Geometry) FrameLimit() int { return min(g.MaxFrame, g.Carries()) }

// SlotPayload returns the bytes of a slot that carry a frame or a fragment.
func (g Geometry) SlotPayload() int { return g.SlotSize - FrameHeaderSize }

// TotalSlots returns the ring's slots and the owned ones together.
func (g Geometry) TotalSlots() int { return g.Slots + g.Publishers*g.Owned }

// SubscriberWords returns the words of a bitmap with a bit for each subscriber.
func (g Geometry) SubscriberWords() int { return g.Subscribers / 64 }

// PublisherWords returns the words of a bitmap with a bit for each publisher.
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

// Validate reports the first size that is out of bounds, as an error that
// wraps [ErrGeometry] and names the bounds.
func (g Geometry) Validate() error {
	check := func(what string, v, lo, hi int) error {
		if v < lo || v > hi {
			return fmt.Errorf("%w: %s %d is not in %d…%d", ErrGeometry, what, v, lo, hi)
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
		return fmt.Errorf("%w: slots %d is not a power of two (try %d)", ErrGeometry, g.Slots, 1<<bits.Len(uint(g.Slots)))
	case g.SlotSize%64 != 0:
		return fmt.Errorf("%w: slot size %d is not a multiple of 64 (try %d)", ErrGeometry, g.SlotSize, (g.SlotSize+63)/64*64)
	case g.Subscribers%64 != 0:
		return fmt.Errorf("%w: subscribers %d is not a multiple of 64 (try %d)", ErrGeometry, g.Subscribers, (g.Subscribers+63)/64*64)
	case g.TotalSlots() > TotalSlotsLimit:
		return fmt.Errorf("%w: %d ring slots and %d owned ones are more than %d together: use fewer slots, publishers or owned slots",
			ErrGeometry, g.Slots, g.Publishers*g.Owned, TotalSlotsLimit)
	case g.Fragments(g.MaxFrame) > MaxFragments:
		return fmt.Errorf("%w: a frame of %d bytes needs more than %d slots of %d bytes: use larger slots", ErrGeometry, g.MaxFrame, MaxFragments, g.SlotSize)
	}
	return nil
}
