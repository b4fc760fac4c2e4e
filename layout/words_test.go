package layout

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestWordsLiterally(t *testing.T) {
	for _, tt := range []struct {
		name      string
		got, want uint64
	}{
		{"entry", uint64(MakeEntry(0x01234567, 0xabc, 0xdef12)), 0x01234567_abcdef12},
		{"entry cuts", uint64(MakeEntry(1, 0x1abc, 0x1def12)), 0x00000001_abcdef12},
		{"settled", uint64(Settled(7)), 0x00000007_00000007},
		{"in flight", uint64(InFlight(7, 9)), 0x00000009_00000007},
		{"owner", uint64(MakeOwner(4, 0xcafe, OwnerReady)), 0x0000cafe_0005_0002},
		{"nobody", uint64(MakeOwner(-1, 0, 0)), 0},
		{"last client", uint64(MakeOwner(MaxClients-1, 1, OwnerHeld)), 0x00000001_2000_0001},
		{"client state", uint64(MakeClientState(3, ClientJoined)), 0x00000003_00000001},
		{"gate", uint64(MakeGate(3, GateEvicted)), 0x00000003_00000002},
		{"wake", uint64(MakeWake(5, 6, Claimed)), 5<<18 | 6<<2 | 2},
		{"wake cuts", uint64(MakeWake(1<<46|5, 6, 7)), 5<<18 | 6<<2 | 3},
		{"frame info", uint64(MakeFrameInfo(0x123456, FlagWhole|FlagTime, 0xabc, 0xdef0)), 0xdef0_0abc_07_123456},
		{"frame info cuts", uint64(MakeFrameInfo(1<<24|1, 0, 0, 0)), 1},
	} {
		if tt.got != tt.want {
			t.Errorf("%s is %#016x, want %#016x", tt.name, tt.got, tt.want)
		}
	}
}

func TestWordRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u32 := func(name string) uint32 { return rapid.Uint32().Draw(t, name) }
		lap, tag, slot := u32("lap"), u32("tag")&tagMask, u32("slot")&slotMask
		if e := MakeEntry(lap, tag, slot); e.Lap() != lap || e.Tag() != tag || e.Slot() != slot {
			t.Errorf("entry %x", e)
		}
		mine, displaced := u32("mine"), u32("displaced")
		if p := InFlight(mine, displaced); p.Mine() != mine || p.Displaced() != displaced || p.IsSettled() != (mine == displaced) {
			t.Errorf("pair %x", p)
		}
		if p := Settled(mine); !p.IsSettled() || p.Mine() != mine || p.Displaced() != mine {
			t.Errorf("pair %x", p)
		}
		client, gen, state := rapid.IntRange(-1, math.MaxUint16-1).Draw(t, "client"), u32("generation"), rapid.Uint16().Draw(t, "state")
		if o := MakeOwner(client, gen, state); o.Client() != client || o.Generation() != gen || o.State() != state {
			t.Errorf("owner %x", o)
		}
		if c := MakeClientState(gen, mine); c.Generation() != gen || c.State() != mine {
			t.Errorf("client %x", c)
		}
		if g := MakeGate(gen, mine); g.Generation() != gen || g.State() != mine {
			t.Errorf("gate %x", g)
		}
		size, flags, pub, topic := rapid.IntRange(0, 1<<24-1).Draw(t, "size"), rapid.Byte().Draw(t, "flags"), rapid.Uint16().Draw(t, "pub"), rapid.Uint16().Draw(t, "topic")
		if i := MakeFrameInfo(size, flags, pub, topic); i.Size() != size || i.Flags() != flags || i.Publisher() != pub || i.Topic() != topic {
			t.Errorf("frame info %x", i)
		}
		near := rapid.Uint64().Draw(t, "near")
		d := rapid.Int64Range(-1<<45+1, 1<<45-1).Draw(t, "distance")
		ws, other := rapid.Uint8Range(0, 3).Draw(t, "wake state"), rapid.Uint8Range(0, 3).Draw(t, "other state")
		position := near + uint64(d)
		w := MakeWake(position, uint16(gen), ws)
		if w.Position(near) != position || w.Generation() != uint16(gen) || w.State() != ws {
			t.Errorf("wake %x: position %d, want %d", w, w.Position(near), position)
		}
		if v := w.With(other); v.State() != other || v.Generation() != uint16(gen) || v.Position(near) != position {
			t.Errorf("wake %x with state %d is %x", w, other, v)
		}
	})
}

func TestWakePositionNearWrap(t *testing.T) {
	const half = 1 << 45
	for _, tt := range []struct{ position, near uint64 }{
		{0, 0}, {0, half - 1}, {half - 1, 0}, {1<<46 - 1, 1 << 46}, {1 << 46, 1<<46 - 1}, {1<<46 + 5, 1<<46 - 5}, {1<<46 - 5, 1<<46 + 5},
		{3<<46 - 1, 3<<46 + 1}, {3 << 46, 3<<46 + half - 1}, {3<<46 + half - 1, 3 << 46}, {math.MaxUint64, math.MaxUint64}, {math.MaxUint64 - 7, math.MaxUint64},
		{1<<63 + 9, 1<<63 - 9},
	} {
		if got := MakeWake(tt.position, 0xffff, Notified).Position(tt.near); got != tt.position {
			t.Errorf("position %#x read near %#x is %#x", tt.position, tt.near, got)
		}
	}
}

// TestNotYet: NotYet is the highest position of a wake word, which no sleeper has before message
// 2^46-1.
func TestNotYet(t *testing.T) {
	w := MakeWake(NotYet, 3, Asleep)
	if NotYet != 1<<46-1 || !w.IsNotYet() || !w.With(Claimed).IsNotYet() || w.Generation() != 3 {
		t.Errorf("wake %x", w)
	}
	for _, p := range []uint64{0, 1, NotYet - 1, NotYet + 1, 1 << 62} {
		if MakeWake(p, 3, Asleep).IsNotYet() {
			t.Errorf("a sleeper at %d is taken for one without a position", p)
		}
	}
}

func TestLapOf(t *testing.T) {
	for _, tt := range []struct {
		position uint64
		shift    uint
		want     uint32
	}{
		{0, 3, 1}, {7, 3, 1}, {8, 3, 2}, {1<<35 - 9, 3, math.MaxUint32}, {1<<35 - 8, 3, 0}, {1 << 35, 3, 1}, {1<<32 + 4096, 12, 1<<20 + 2}, {math.MaxUint64, 12, 0},
	} {
		if got := LapOf(tt.position, tt.shift); got != tt.want {
			t.Errorf("position %#x in a ring of %d is of lap %#x, want %#x", tt.position, 1<<tt.shift, got, tt.want)
		}
	}
}

func TestLapsAhead(t *testing.T) {
	for _, tt := range []struct {
		a, b uint32
		want int32
	}{
		{1, 1, 0}, {2, 1, 1}, {1, 2, -1}, {0, math.MaxUint32, 1}, {math.MaxUint32, 0, -1}, {1<<31 - 1, 0, math.MaxInt32}, {1 << 31, 0, math.MinInt32},
	} {
		if got := LapsAhead(tt.a, tt.b); got != tt.want {
			t.Errorf("lap %#x is %d ahead of %#x, want %d", tt.a, got, tt.b, tt.want)
		}
	}
}

// The hashes are the published test vectors of 64-bit FNV-1a.
func TestTopicHash(t *testing.T) {
	for _, tt := range []struct {
		name string
		hash uint64
		tag  uint32
	}{
		{"", 0xcbf29ce484222325, 0xde3}, {"a", 0xaf63dc4c8601ec8c, 0xde}, {"foobar", 0x85944171f73967e8, 0x50f}, {"prices.eur", 0xce72755a9f347159, 0x744},
	} {
		if got := TopicHash(tt.name); got != tt.hash {
			t.Errorf("hash of %q is %#x, want %#x", tt.name, got, tt.hash)
		}
		if got := TopicTag(tt.hash); got != tt.tag {
			t.Errorf("tag of %q is %#x, want %#x", tt.name, got, tt.tag)
		}
	}
}

func TestTagSet(t *testing.T) {
	var s TagSet
	for _, tag := range []uint32{0, 63, 64, 70, 4095} {
		if s.Has(tag) {
			t.Errorf("the set has %d before it was added", tag)
		}
		s.Add(tag)
	}
	for tag := range uint32(4096) {
		want := tag == 0 || tag == 63 || tag == 64 || tag == 70 || tag == 4095
		if s.Has(tag) != want {
			t.Errorf("%d: %v, want %v", tag, s.Has(tag), want)
		}
	}
}
