package layout

import "fmt"

// Sizes of the records, in bytes.
const (
	HeaderSize           = 4096
	ClientRecordSize     = 128
	PublisherRecordSize  = 3 * Line
	SubscriberRecordSize = 4 * Line
	TopicRecordSize      = 256
	EntrySize            = 8
	pageSize             = 4096
)

// A Section is a run of equal records in the segment.
type Section struct {
	Name   string
	Offset int // of record 0, in bytes from the start of the segment
	Stride int // bytes from one record to the next
	Count  int
}

// End returns the offset of the first byte after the section.
func (s Section) End() int { return s.Offset + s.Stride*s.Count }

// At returns the offset of record i, which the caller has bounded.
func (s Section) At(i int) int { return s.Offset + s.Stride*i }

// A Map says where the sections of a segment with a given geometry are.
type Map struct {
	Geometry    Geometry
	Clients     Section
	Publishers  Section
	Subscribers Section
	Topics      Section
	Interest    Section
	Entries     Section
	Slots       Section
	Size        int // bytes of the whole segment
}

// NewMap validates g and computes its map.
func NewMap(g Geometry) (Map, error) {
	if err := g.Validate(); err != nil {
		return Map{}, err
	}
	m := Map{Geometry: g}
	// No product here overflows: the largest, slots, is at most 2^20 * 2^24.
	next := HeaderSize
	place := func(s *Section, name string, stride, count, align int) {
		next = (next + align - 1) / align * align
		*s = Section{Name: name, Offset: next, Stride: stride, Count: count}
		next = s.End()
	}
	place(&m.Clients, "clients", ClientRecordSize, g.Clients, Line)
	place(&m.Publishers, "publishers", PublisherRecordSize, g.Publishers, Line)
	place(&m.Subscribers, "subscribers", SubscriberRecordSize, g.Subscribers, Line)
	place(&m.Topics, "topics", TopicRecordSize, g.Topics, Line)
	place(&m.Interest, "interest", 8*g.SubscriberWords(), g.Topics, Line)
	place(&m.Entries, "entries", EntrySize, g.Slots, Line)
	place(&m.Slots, "slots", g.SlotSize, g.TotalSlots(), pageSize)
	m.Size = (next + pageSize - 1) / pageSize * pageSize
	return m, nil
}

// Sections returns the sections in their order in the segment.
func (m Map) Sections() []Section {
	return []Section{
		m.Clients, m.Publishers, m.Subscribers, m.Topics, m.Interest, m.Entries, m.Slots,
	}
}

// Semaphores returns how many semaphores the set that goes with the segment has.
func (m Map) Semaphores() int { return 1 + 2*m.Geometry.Clients }

// String returns a line for each section, with its offset, record size and number of records.
func (m Map) String() string {
	s := fmt.Sprintf("%-12s %12d %8d × %d\n", "header", 0, HeaderSize, 1)
	for _, sec := range m.Sections() {
		s += fmt.Sprintf("%-12s %12d %8d × %d\n", sec.Name, sec.Offset, sec.Stride, sec.Count)
	}
	return s + fmt.Sprintf("%-12s %12d\n", "end", m.Size)
}
