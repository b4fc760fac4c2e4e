package layout

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func sampleHeader() Header {
	return Header{
		UUID:     UUID{0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8},
		Geometry: Default(), Created: 1_700_000_000_123_456_789, SemID: 77, Key: -559038737, Creator: 4711, Name: "demo",
	}
}

// encoded returns a complete header and the size that its segment has.
func encoded(tb testing.TB, h Header) ([]byte, int) {
	tb.Helper()
	b := make([]byte, HeaderSize)
	if err := h.Encode(b); err != nil {
		tb.Fatal(err)
	}
	if m := binary.LittleEndian.Uint64(b[HeaderMagic:]); m != 0 {
		tb.Fatalf("Encode stored the magic number %#x: its caller does, last", m)
	}
	binary.LittleEndian.PutUint64(b[HeaderMagic:], Magic)
	m, err := NewMap(h.Geometry)
	if err != nil {
		tb.Fatal(err)
	}
	return b, m.Size
}

func TestHeaderBytes(t *testing.T) {
	b, _ := encoded(t, sampleHeader())
	if string(b[:8]) != "shmbus\x00\x00" {
		t.Errorf("a segment starts with %q", b[:8])
	}
	le := binary.LittleEndian
	for _, f := range []struct {
		off  int
		want uint32
	}{{8, 2}, {12, 4096}, {40, 16384}, {44, 256}, {48, 8}, {52, 64}, {56, 256}, {60, 352}, {64, 1024}, {68, 1900536}, {88, 77}, {92, 0xdeadbeef}, {96, 4711}, {104, 0}} {
		if got := le.Uint32(b[f.off:]); got != f.want {
			t.Errorf("at %d is %d, want %d", f.off, got, f.want)
		}
	}
	if le.Uint64(b[16:]) != frozenHash || le.Uint64(b[72:]) != 4956160 || le.Uint64(b[80:]) != 1_700_000_000_123_456_789 {
		t.Error("hash, size or time are not where they belong")
	}
	if string(b[128:133]) != "demo\x00" {
		t.Errorf("name %q", b[128:133])
	}
	if !bytes.Equal(b[HeaderState:], make([]byte, HeaderSize-HeaderState)) {
		t.Error("Encode wrote to the words, which start at zero")
	}
}

func TestHeaderRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Header{
			Geometry: genGeometry(t),
			Created:  rapid.Int64().Draw(t, "created"), SemID: rapid.Int32().Draw(t, "semid"), Key: rapid.Int32().Draw(t, "key"),
			Creator: rapid.Uint32().Draw(t, "creator"),
			Name:    rapid.StringMatching(`[a-z0-9._-]{0,64}`).Draw(t, "name"),
		}
		copy(h.UUID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
		m, err := NewMap(h.Geometry)
		if err != nil {
			t.Skip(err)
		}
		b := make([]byte, HeaderSize)
		if err := h.Encode(b); err != nil {
			t.Fatal(err)
		}
		binary.LittleEndian.PutUint64(b, Magic)
		got, gotMap, err := DecodeHeader(b, m.Size)
		if err != nil || got != h || gotMap != m {
			t.Fatalf("%+v came back as %+v, %v", h, got, err)
		}
	})
}

func TestEncodeRefusesGeometry(t *testing.T) {
	b := make([]byte, HeaderSize)
	h := sampleHeader()
	h.Geometry.Slots = 9
	if err := h.Encode(b); !errors.Is(err, ErrGeometry) {
		t.Errorf("error %v", err)
	}
	if !bytes.Equal(b, make([]byte, HeaderSize)) {
		t.Error("a refused header was written all the same")
	}
}

func TestDecodeHeaderErrors(t *testing.T) {
	put32 := func(off int, v uint32) func([]byte) {
		return func(b []byte) { binary.LittleEndian.PutUint32(b[off:], v) }
	}
	put64 := func(off int, v uint64) func([]byte) {
		return func(b []byte) { binary.LittleEndian.PutUint64(b[off:], v) }
	}
	tests := []struct {
		name   string
		change func([]byte)
		want   error
		says   string
	}{
		{"intact", func([]byte) {}, nil, ""},
		{"zeros", func(b []byte) { clear(b) }, ErrNotABus, "0x7375626d6873"},
		{"creator died", put64(HeaderMagic, 0), ErrIncomplete, "creator died"},
		{"magic", put64(HeaderMagic, Magic+1), ErrNotABus, "0x7375626d6874"},
		{"magic and hash", func(b []byte) { clear(b[:24]) }, ErrNotABus, ""},
		{"version 0", put32(HeaderVersion, 0), ErrVersion, "version 0, this program knows 2"},
		{"version 1", put32(HeaderVersion, 1), ErrVersion, "version 1, this program knows 2"},
		{"hash", put64(HeaderHash, 0xabc), ErrVersion, "0000000000000abc"},
		{"length", put32(HeaderLength, 8192), ErrCorrupt, "8192"},
		{"length 0", put32(HeaderLength, 0), ErrCorrupt, ""},
		{"slots", put32(HeaderSlots, 4095), ErrCorrupt, "power of two"},
		{"other slots", put32(HeaderSlots, 8192), ErrCorrupt, "its header says 4956160"},
		{"slots 2^32-1", put32(HeaderSlots, 1<<32-1), ErrCorrupt, "slots"},
		{"slot size", put32(HeaderSlotSize, 257), ErrCorrupt, "multiple of 64"},
		{"owned", put32(HeaderOwned, 0), ErrCorrupt, "owned"},
		{"publishers", put32(HeaderPublishers, 65), ErrCorrupt, "geometry needs"},
		{"subscribers", put32(HeaderSubscribers, 0), ErrCorrupt, "subscribers"},
		{"clients", put32(HeaderClients, 0), ErrCorrupt, "clients"},
		{"topics", put32(HeaderTopics, 1<<17), ErrCorrupt, "topics"},
		{"largest frame", put32(HeaderMaxFrame, 0), ErrCorrupt, "largest frame"},
		{"segment size", put64(HeaderSegmentSize, 4096), ErrCorrupt, "header says 4096"},
		{"largest frame of the same size", put32(HeaderMaxFrame, 16<<20+1), ErrCorrupt, "checksum"},
		{"identifier of the set", put32(HeaderSemID, 78), ErrCorrupt, "checksum"},
		{"checksum", put32(HeaderChecksum, 0), ErrCorrupt, "and says 00000000"},
		{"segment size high bits", put64(HeaderSegmentSize, 1<<40|4956160), ErrCorrupt, "header says"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, size := encoded(t, sampleHeader())
			tt.change(b)
			h, m, err := DecodeHeader(b, size)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if tt.want == nil {
				return
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("message %q does not say %q", err, tt.says)
			}
			if h != (Header{}) || m != (Map{}) {
				t.Error("values come with the error")
			}
		})
	}
}

func TestDecodeHeaderSizes(t *testing.T) {
	b, size := encoded(t, sampleHeader())
	for _, tt := range []struct {
		name string
		b    []byte
		size int
		want error
	}{
		{"nothing", nil, 0, ErrNotABus},
		{"a byte short", b[:HeaderSize-1], size, ErrNotABus},
		{"mapping of no size", b, 0, ErrNotABus},
		{"header only", b, HeaderSize, ErrCorrupt},
		{"a byte less than needed", b, size - 1, ErrCorrupt},
		{"exact", b, size, nil},
		{"rounded up by the kernel", b, size + 1<<21, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := DecodeHeader(tt.b, tt.size); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

// TestEveryBitOfHeader: DecodeHeader notices each flipped bit of the fields that never change.
func TestEveryBitOfHeader(t *testing.T) {
	good, size := encoded(t, sampleHeader())
	if _, _, err := DecodeHeader(good, size); err != nil {
		t.Fatal(err)
	}
	for off := range HeaderState {
		for bit := range 8 {
			b := bytes.Clone(good)
			b[off] ^= 1 << bit
			if got, _, err := DecodeHeader(b, size); err == nil {
				t.Errorf("bit %d of byte %d is flipped, nobody notices: %+v", bit, off, got)
			}
		}
	}
}

// TestChecksum compares the checksum with one that is computed bit by bit, from its definition.
func TestChecksum(t *testing.T) {
	b, _ := encoded(t, sampleHeader())
	crc := ^uint32(0)
	for i, v := range b[8:256] {
		if i+8 >= HeaderChecksum && i+8 < HeaderChecksum+4 {
			v = 0
		}
		crc ^= uint32(v)
		for range 8 {
			crc = crc>>1 ^ crc&1*0x82f63b78
		}
	}
	if sum := Checksum(b); sum != ^crc || binary.LittleEndian.Uint32(b[100:]) != sum {
		t.Errorf("checksum %#x, want %#x", sum, ^crc)
	}
}

func FuzzDecodeHeader(f *testing.F) {
	good, size := encoded(f, sampleHeader())
	f.Add(good, size)
	f.Add(good[:100], size)
	f.Add(good, 1<<62)
	f.Add(make([]byte, HeaderSize), HeaderSize)
	small := sampleHeader()
	small.Geometry = Geometry{MinSlots, MinSlotSize, MinOwned, 1, 64, 2, 1, 1}
	b, size := encoded(f, small)
	f.Add(b, size)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		b := bytes.Clone(good)
		b[HeaderSlots+rnd.IntN(40)] ^= byte(rnd.Uint32())
		f.Add(b, size)
	}
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		if len(b) >= HeaderSize && len(b)%2 == 0 {
			// Half of what the fuzzer makes gets past the checksum.
			b = bytes.Clone(b)
			binary.LittleEndian.PutUint32(b[HeaderChecksum:], Checksum(b))
		}
		h, m, err := DecodeHeader(b, size)
		if err != nil {
			if !errors.Is(err, ErrNotABus) && !errors.Is(err, ErrIncomplete) && !errors.Is(err, ErrVersion) && !errors.Is(err, ErrCorrupt) {
				t.Errorf("error %v is of no kind", err)
			}
			return
		}
		if m.Size > size || h.Geometry.Validate() != nil || m.Geometry != h.Geometry {
			t.Fatalf("accepted %+v in %d bytes", h, size)
		}
		again := make([]byte, HeaderSize)
		if err := h.Encode(again); err != nil {
			t.Fatal(err)
		}
		binary.LittleEndian.PutUint64(again, Magic)
		if h2, _, err := DecodeHeader(again, size); err != nil || h2 != h {
			t.Errorf("%+v encodes to %+v, %v", h, h2, err)
		}
	})
}

func TestCString(t *testing.T) {
	for in, want := range map[string]string{"": "", "\x00": "", "abc": "abc", "abc\x00def": "abc", "\x00abc": ""} {
		if got := CString([]byte(in)); got != want {
			t.Errorf("%q gives %q", in, got)
		}
	}
}

func TestUUIDString(t *testing.T) {
	if s := sampleHeader().UUID.String(); s != "6ba7b810-9dad-11d1-80b4-00c04fd430c8" {
		t.Error(s)
	}
}
