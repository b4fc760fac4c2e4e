package bus

import "shmbus/layout"

// Sizes are the sizes of a bus, which are fixed when it is created.
type Sizes struct {
	Slots       int `json:"slots"`       // messages that the ring holds
	SlotSize    int `json:"slot_size"`   // bytes of a slot, 16 of header included
	OwnedSlots  int `json:"owned_slots"` // slots of each publisher, in addition to the ring's
	Publishers  int `json:"publishers"`  // publishers that there can be at a time
	Subscribers int `json:"subscribers"`
	Clients     int `json:"clients"`
	Topics      int `json:"topics"`    // topics that there can ever be
	MaxFrame    int `json:"max_frame"` // bytes of the largest message
	Segment     int `json:"segment"`   // bytes of memory in all
}

func sizesOf(m layout.Map) Sizes {
	g := m.Geometry
	return Sizes{
		Slots: g.Slots, SlotSize: g.SlotSize, OwnedSlots: g.Owned,
		Publishers: g.Publishers, Subscribers: g.Subscribers, Clients: g.Clients,
		Topics: g.Topics, MaxFrame: g.MaxFrame, Segment: m.Size,
	}
}

// SlotPayload returns the bytes of the largest message that takes one slot, and therefore one
// position.
func (s Sizes) SlotPayload() int { return layout.Geometry{SlotSize: s.SlotSize}.SlotPayload() }

// Positions returns how many positions a message of n bytes takes.
func (s Sizes) Positions(n int) int { return layout.Geometry{SlotSize: s.SlotSize}.Fragments(n) }

// NewSizes returns the sizes that [Create] gives a bus with these options. Create rounds some sizes
// and derives others. If Create would refuse the sizes, NewSizes returns the same error, which is
// [ErrInvalid]. It does not look at the host.
func NewSizes(opts ...Option) (Sizes, error) {
	m, err := layout.NewMap(newConfig(opts).Geometry)
	if err != nil {
		return Sizes{}, invalidSizes{err}
	}
	return sizesOf(m), nil
}

// An invalidSizes is an error about sizes that no bus can have. errors.Is finds ErrInvalid in it.
type invalidSizes struct{ error }

func (e invalidSizes) Unwrap() error        { return e.error }
func (e invalidSizes) Is(target error) bool { return target == ErrInvalid }
