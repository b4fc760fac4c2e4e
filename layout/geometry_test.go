package layout

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Geometry)
		want   []string // parts of the message; none when the geometry is good
	}{
		{"default", func(*Geometry) {}, nil},
		{"smallest", func(g *Geometry) { *g = Geometry{MinSlots, MinSlotSize, MinOwned, 1, 64, 2, 1, 1} }, nil},
		{"largest", func(g *Geometry) {
			*g = Geometry{MaxSlots, MaxSlotSize, MaxOwned, MaxPublishers, MaxSubscribers, MaxClients, MaxTopics, MaxFrameSize}
		}, nil},
		{"slots low", func(g *Geometry) { g.Slots = 4 }, []string{"slots 4", "8…524288"}},
		{"slots high", func(g *Geometry) { g.Slots = 1 << 20 }, []string{"slots 1048576", "8…524288"}},
		{"slots negative", func(g *Geometry) { g.Slots = -8 }, []string{"slots -8"}},
		{"slots not a power", func(g *Geometry) { g.Slots = 1000 }, []string{"1000", "power of two", "try 1024"}},
		{"slot size low", func(g *Geometry) { g.SlotSize = 32 }, []string{"slot size 32", "64…16777216"}},
		{"slot size high", func(g *Geometry) { g.SlotSize = 1<<24 + 64 }, []string{"slot size 16777280", "64…16777216"}},
		{"slot size odd", func(g *Geometry) { g.SlotSize = 200 }, []string{"slot size 200", "multiple of 64", "try 256"}},
		{"owned low", func(g *Geometry) { g.Owned = 1 }, []string{"owned slots per publisher 1", "2…12"}},
		{"owned high", func(g *Geometry) { g.Owned = 13 }, []string{"owned slots per publisher 13", "2…12"}},
		{"no publishers", func(g *Geometry) { g.Publishers = 0 }, []string{"publishers 0", "1…4096"}},
		{"publishers high", func(g *Geometry) { g.Publishers = 4097 }, []string{"publishers 4097", "1…4096"}},
		{"subscribers low", func(g *Geometry) { g.Subscribers = 0 }, []string{"subscribers 0", "64…1024"}},
		{"subscribers high", func(g *Geometry) { g.Subscribers = 1088 }, []string{"subscribers 1088", "64…1024"}},
		{"subscribers odd", func(g *Geometry) { g.Subscribers = 100 }, []string{"subscribers 100", "multiple of 64", "try 128"}},
		{"clients low", func(g *Geometry) { g.Clients = 1 }, []string{"clients 1", "2…8192"}},
		{"clients high", func(g *Geometry) { g.Clients = 8193 }, []string{"clients 8193", "2…8192"}},
		{"no topics", func(g *Geometry) { g.Topics = 0 }, []string{"topics 0", "1…65536"}},
		{"topics high", func(g *Geometry) { g.Topics = 65537 }, []string{"topics 65537", "1…65536"}},
		{"frame low", func(g *Geometry) { g.MaxFrame = 0 }, []string{"largest frame 0", "1…1073741824"}},
		{"frame high", func(g *Geometry) { g.MaxFrame = 1<<30 + 1 }, []string{"largest frame 1073741825"}},
		{"too many fragments", func(g *Geometry) { g.SlotSize, g.MaxFrame = 64, 1<<24*40+1 }, []string{"671088641 bytes", "16777216 slots", "larger slots"}},
		{"fragments just fit", func(g *Geometry) { g.SlotSize, g.MaxFrame = 64, 1<<24*40 }, nil},
		{"two at once", func(g *Geometry) { g.Slots, g.Topics = 0, 0 }, []string{"slots 0", "topics 0"}},
		{"overflow", func(g *Geometry) { g.Publishers, g.Owned = 1<<62, 1<<62 }, []string{"publishers", "owned"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := Default()
			tt.change(&g)
			err := g.Validate()
			_, mapErr := NewMap(g)
			if (err == nil) != (mapErr == nil) {
				t.Errorf("Validate says %v, NewMap %v", err, mapErr)
			}
			if len(tt.want) == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, ErrGeometry) {
				t.Fatalf("error %v does not wrap ErrGeometry", err)
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("message %q does not say %q", err, part)
				}
			}
		})
	}
}

// TestTotalSlots: the bounds of the parts keep the total within the slot field of an entry.
func TestTotalSlots(t *testing.T) {
	g := Geometry{Slots: MaxSlots, Owned: MaxOwned, Publishers: MaxPublishers}
	if n := g.TotalSlots(); n > TotalSlotsLimit || TotalSlotsLimit != slotMask+1 {
		t.Errorf("up to %d slots, an entry can name %d", n, slotMask+1)
	}
	if MaxSlotSize-FrameHeaderSize >= 1<<24 {
		t.Error("the payload of the largest slot does not fit the size of a frame header")
	}
}

func TestFragments(t *testing.T) {
	g := Geometry{SlotSize: 64} // 48 bytes of payload, 40 of a fragment
	for _, tt := range []struct{ n, want int }{{0, 1}, {1, 1}, {48, 1}, {49, 2}, {80, 2}, {81, 3}, {120, 3}, {121, 4}} {
		if got := g.Fragments(tt.n); got != tt.want {
			t.Errorf("%d bytes take %d positions, want %d", tt.n, got, tt.want)
		}
	}
}

func genGeometry(t *rapid.T) Geometry {
	return Geometry{
		Slots:       1 << rapid.IntRange(3, 19).Draw(t, "log2 slots"),
		SlotSize:    64 * rapid.IntRange(1, MaxSlotSize/64).Draw(t, "slot size / 64"),
		Owned:       rapid.IntRange(MinOwned, MaxOwned).Draw(t, "owned"),
		Publishers:  rapid.IntRange(1, MaxPublishers).Draw(t, "publishers"),
		Subscribers: 64 * rapid.IntRange(1, MaxSubscribers/64).Draw(t, "subscribers / 64"),
		Clients:     rapid.IntRange(2, MaxClients).Draw(t, "clients"),
		Topics:      rapid.IntRange(1, MaxTopics).Draw(t, "topics"),
		MaxFrame:    rapid.IntRange(1, MaxFrameSize).Draw(t, "largest frame"),
	}
}

func TestMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := genGeometry(t)
		m, err := NewMap(g)
		if err != nil {
			if g.Fragments(g.MaxFrame) > MaxFragments {
				t.Skip("too many fragments")
			}
			t.Fatal(err)
		}
		want := []struct {
			name                 string
			stride, count, align int
		}{
			{"clients", 128, g.Clients, Line}, {"publishers", 384, g.Publishers, Line}, {"subscribers", 512, g.Subscribers, Line},
			{"topics", 256, g.Topics, Line}, {"interest", g.Subscribers / 8, g.Topics, Line}, {"entries", 8, g.Slots, Line},
			{"slots", g.SlotSize, g.Slots + g.Publishers*g.Owned, pageSize},
		}
		end := HeaderSize
		for i, s := range m.Sections() {
			w := want[i]
			if s.Name != w.name || s.Stride != w.stride || s.Count != w.count {
				t.Errorf("section %d is %+v, want %+v", i, s, w)
			}
			if s.Offset%w.align != 0 || s.Offset < end || s.Offset >= end+w.align {
				t.Errorf("%s starts at %d behind %d, alignment %d", s.Name, s.Offset, end, w.align)
			}
			if s.At(0) != s.Offset || s.At(s.Count) != s.End() || s.End() != s.Offset+w.stride*w.count {
				t.Errorf("%s: At and End disagree: %+v", s.Name, s)
			}
			end = s.End()
		}
		if m.Size%pageSize != 0 || m.Size < end || m.Size >= end+pageSize {
			t.Errorf("size %d behind the last section's end %d", m.Size, end)
		}
		if m.Semaphores() != int(SemSleep(g.Clients-1))+1 {
			t.Errorf("%d semaphores, the last client's last one is %d", m.Semaphores(), SemSleep(g.Clients-1))
		}
		if 64*g.PublisherWords() < g.Publishers || 64*(g.PublisherWords()-1) >= g.Publishers || 64*g.SubscriberWords() != g.Subscribers {
			t.Errorf("bitmaps of %d and %d words for %+v", g.PublisherWords(), g.SubscriberWords(), g)
		}
		if 8*g.PublisherWords() > MaxPublishers/8 || 8*g.SubscriberWords() > MaxSubscribers/8 {
			t.Errorf("bitmaps leave their place in the header: %+v", g)
		}
	})
}

// ExampleMap_String shows where everything is in a bus of the default geometry; docs/layout.md has
// the same table.
func ExampleMap_String() {
	m, err := NewMap(Default())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(m)
	// Output:
	// header                  0     4096 × 1
	// clients              4096      128 × 352
	// publishers          49152      384 × 64
	// subscribers         73728      512 × 256
	// topics             204800      256 × 1024
	// interest           466944       32 × 1024
	// entries            499712        8 × 16384
	// slots              630784      256 × 16896
	// end               4956160
}
