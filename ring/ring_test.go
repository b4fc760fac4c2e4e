package ring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"shmbus/layout"
)

func TestMain(m *testing.M) {
	if os.Getenv(steppedEnv) != "" {
		steppedChild()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// geometry returns a small geometry: n ring slots of 64 bytes, owned slots for each of pubs
// publishers.
func geometry(n, owned, pubs int) layout.Geometry {
	return layout.Geometry{Slots: n, SlotSize: 64, Owned: owned, Publishers: pubs, Subscribers: 64, Clients: 2, Topics: 1, MaxFrame: 1 << 10}
}

func newRing(tb rapid.TB, g layout.Geometry) *Ring {
	tb.Helper()
	r, err := NewHeap(g)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func openPublisher(tb rapid.TB, r *Ring, record int) *Publisher {
	tb.Helper()
	p, err := r.Publisher(record)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// message fills buf with 6 words that depend on value, so that a torn payload is noticed.
func message(buf *[48]byte, value uint64) {
	for i := range 6 {
		binary.LittleEndian.PutUint64(buf[8*i:], value^uint64(i)*0x9e3779b97f4a7c15)
	}
}

// parse returns the value of a message, and whether it is whole.
func parse(b []byte) (uint64, bool) {
	if len(b) != 48 {
		return 0, false
	}
	var want [48]byte
	v := binary.LittleEndian.Uint64(b)
	message(&want, v)
	return v, string(want[:]) == string(b)
}

// publishBySteps publishes as package bus does. If it returns false, the slot is filled but not
// published.
func publishBySteps(p *Publisher, frame []byte, info layout.FrameInfo, tag uint32) bool {
	s := p.NextSlot()
	if ByWords(len(frame)) {
		s.PutFront(frame)
		s.PutBack(frame)
	} else {
		p.Fill(0, frame)
	}
	s.PutHeader(info)
	l := p.Load()
	if !p.Usable(l) {
		return false
	}
	p.Announce(s, l)
	if !p.CompareAndSwap(s, l, layout.MakeEntry(0, tag, 0)) {
		p.LostRace()
		return false
	}
	p.Settle(s, l)
	return true
}

// publish publishes value, waits at gates, and returns its position. It uses all ways of publishing
// in turn.
func publish(tb rapid.TB, p *Publisher, value uint64) uint64 {
	var buf [48]byte
	message(&buf, value)
	info := layout.MakeFrameInfo(len(buf), layout.FlagWhole, uint16(p.Index()), 0)
	var st Status
	switch value % 3 {
	case 0:
		p.Fill(0, buf[:])
		st = p.Exchange(info, uint32(value))
	case 1:
		if publishBySteps(p, buf[:], info, uint32(value)) {
			return p.Next() - 1
		}
		st = p.Exchange(info, uint32(value))
	case 2:
		_, _, st = p.PublishRun([][]byte{buf[:]}, info&^(1<<24-1), uint32(value))
	}
	for ; ; st = p.Exchange(info, uint32(value)) {
		switch st {
		case Done:
			return p.Next() - 1
		case Limit:
			if who, _ := p.Rescan(); who >= 0 {
				if tb.Failed() {
					return 0 // the reader that it waits for may have ended
				}
				runtime.Gosched()
			}
		default:
			tb.Errorf("publisher %d: status %d at %d", p.Index(), st, p.Next())
			return 0
		}
	}
}

func publishAll(tb rapid.TB, p *Publisher, values ...uint64) {
	for _, v := range values {
		publish(tb, p, v)
	}
}

// take reads the message at the cursor. It returns Done with its value, or Empty, or Lapped. It
// uses all ways of reading in turn.
func take(tb rapid.TB, c *Cursor) (uint64, Status) {
	e, st := c.Peek()
	if st != Done {
		return 0, st
	}
	var buf [48]byte
	if info, _, st := c.View(e); st == Done && c.Next()%2 == 0 {
		if n, ok := c.Take(Match{Tag: e.Tag(), Kind: info.Kind()}, buf[:]); ok {
			v, whole := parse(buf[:n])
			if !whole || e.Tag() != uint32(v)&0xfff {
				tb.Errorf("torn message at %d: entry %#x payload %x", c.Next()-1, uint64(e), buf)
			}
			return v, Done
		}
	}
	info, n, st := c.Read(e, buf[:])
	if st != Done {
		if st == Corrupt {
			tb.Errorf("corrupt at %d: entry %#x", c.Next(), uint64(e))
		}
		return 0, st
	}
	v, whole := parse(buf[:n])
	if !whole || info.Size() != 48 || info.Flags() != layout.FlagWhole || e.Tag() != uint32(v)&0xfff {
		tb.Errorf("torn message at %d: entry %#x info %#x payload %x", c.Next(), uint64(e), uint64(info), buf)
	}
	c.Advance()
	return v, Done
}

func expect(tb rapid.TB, c *Cursor, values ...uint64) {
	tb.Helper()
	for _, want := range values {
		at := c.Next()
		if got, st := take(tb, c); st != Done || got != want {
			tb.Fatalf("at %d is %d, status %d; want %d", at, got, st, want)
		}
	}
}

func expectStatus(tb rapid.TB, c *Cursor, want Status) {
	tb.Helper()
	if e, st := c.Peek(); st != want {
		tb.Fatalf("at %d status %d, want %d (entry %#x)", c.Next(), st, want, uint64(e))
	}
}

func expectBalance(tb rapid.TB, r *Ring) {
	tb.Helper()
	if b := r.Audit(); !b.Balanced() {
		tb.Fatalf("the books do not balance: %+v", b)
	}
}

func seq(from, to uint64) []uint64 {
	var s []uint64
	for v := from; v < to; v++ {
		s = append(s, v)
	}
	return s
}

// starts are positions at which a counter of some width turns over.
var starts = []struct {
	name string
	at   uint64
}{
	{"zero", 0}, {"2^32", 1<<32 - 8}, {"lap wrap", (1<<32 - 2) << 3}, {"second lap wrap", (1<<33 - 2) << 3}, {"lap sign", (1<<31 - 2) << 3}, {"wake word", 1<<46 - 8},
}

func TestPublishAndRead(t *testing.T) {
	for _, start := range starts {
		t.Run(start.name, func(t *testing.T) {
			r := newRing(t, geometry(8, 3, 2))
			r.FormatAt(start.at)
			if h := r.Head(); h != start.at {
				t.Fatalf("head %d, want %d", h, start.at)
			}
			c := r.Reader(FromNow())
			p, q := openPublisher(t, r, 0), openPublisher(t, r, 1)
			expectStatus(t, c, Empty)
			for v := range uint64(100) {
				from := p
				if v%3 == 1 {
					from = q
				}
				if at := publish(t, from, v); at != start.at+v {
					t.Fatalf("message %d got position %d", v, at)
				}
				if h := r.Head(); h != start.at+v+1 {
					t.Fatalf("head %d after %d messages from %d", h, v+1, start.at)
				}
				expect(t, c, v)
				expectStatus(t, c, Empty)
			}
			expectBalance(t, r)
		})
	}
}

func TestNewRefusesMemory(t *testing.T) {
	m, err := layout.NewMap(geometry(8, 2, 1))
	if err != nil {
		t.Fatal(err)
	}
	mem := alignedMemory(m.Size + 8)
	for _, tt := range []struct {
		name string
		mem  []byte
		ok   bool
	}{{"exact", mem[:m.Size], true}, {"short", mem[:m.Size-1], false}, {"none", nil, false}, {"unaligned", mem[1:], false}, {"unaligned by 4", mem[4:], false}, {"offset by 8", mem[8:], true}} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := New(tt.mem, m); (err == nil) != tt.ok {
				t.Errorf("error %v", err)
			}
		})
	}
	if _, err := NewHeap(layout.Geometry{}); !errors.Is(err, layout.ErrGeometry) {
		t.Errorf("error %v", err)
	}
}

func TestPublisherOfNoRecord(t *testing.T) {
	r := newRing(t, geometry(8, 2, 2))
	for _, i := range []int{-1, 2, 1 << 40} {
		if _, err := r.Publisher(i); !errors.Is(err, ErrCorrupt) {
			t.Errorf("record %d: error %v", i, err)
		}
	}
}

// TestFill covers all ways to fill a slot. The earlier contents of the slot must not show.
func TestFill(t *testing.T) {
	text := []byte("the quick brown fox jumps over the lazy dog....!")
	tests := []struct {
		name string
		fill func(p *Publisher)
		want string
	}{
		{"whole", func(p *Publisher) { p.Fill(0, text) }, string(text)},
		{"in pieces", func(p *Publisher) { p.Fill(8, text[8:]); p.Fill(0, text[:8]) }, string(text)},
		{"odd length", func(p *Publisher) { p.Fill(0, text[:13]) }, string(text[:13])},
		{"nothing", func(p *Publisher) { p.Fill(48, nil) }, ""},
		{"word", func(p *Publisher) {
			p.FillWord(0, 0x6867666564636261)
			p.FillWord(40, 0x6867666564636261)
			p.Fill(8, text[:32])
		}, "abcdefgh" + string(text[:32]) + "abcdefgh"},
		{"in place", func(p *Publisher) { b := p.Payload(); n := copy(b, text[:29]); p.CommitPayload(b[:n]) }, string(text[:29])},
		{"at the end", func(p *Publisher) { p.Fill(0, text[:40]); p.Fill(40, text[40:]) }, string(text)},
		{"at any offset", func(p *Publisher) {
			p.Fill(0, text[:7])
			p.Fill(7, text[7:20])
			p.Fill(20, text[20:21])
		}, string(text[:21])},
		{"in the middle", func(p *Publisher) { p.Fill(0, text); p.Fill(3, []byte("###")) }, "the" + "###" + string(text[6:])},
		{"in the middle of a word", func(p *Publisher) { p.Fill(0, text); p.Fill(8, []byte("#")) }, string(text[:8]) + "#" + string(text[9:])},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRing(t, geometry(8, 2, 1))
			p, c := openPublisher(t, r, 0), r.Reader(FromNow())
			for range 3 { // also into slots that were used before
				tt.fill(p)
				p.Rescan()
				if st := p.Exchange(layout.MakeFrameInfo(len(tt.want), layout.FlagWhole, 0, 7), 9); st != Done {
					t.Fatal(st)
				}
				e, _ := c.Peek()
				var buf [48]byte
				info, n, st := c.Read(e, buf[:])
				if st != Done || string(buf[:n]) != tt.want || info.Topic() != 7 || e.Tag() != 9 {
					t.Fatalf("read %q, status %d, info %x; want %q", buf[:n], st, info, tt.want)
				}
				_, view, st := c.View(e)
				if st != Done || string(view) != tt.want || c.Valid(e, info) != Done {
					t.Fatalf("view %q, status %d", view, st)
				}
				if cap(view) > 48 {
					t.Errorf("the view may be grown to %d bytes", cap(view))
				}
				c.Advance()
			}
		})
	}
}

// TestFillBounds: with any offset, nothing outside of the payload is written.
func TestFillBounds(t *testing.T) {
	r := newRing(t, geometry(8, 2, 1))
	p := openPublisher(t, r, 0)
	before := string(r.base)
	for _, off := range []int{-1 << 62, -16, -8, -1, 41, 48, 49, 1 << 62} {
		for name, fill := range map[string]func(){
			"Fill":     func() { p.Fill(off, make([]byte, 8)) },
			"FillWord": func() { p.FillWord(off, 1) },
		} {
			t.Run(fmt.Sprintf("%s/%d", name, off), func(t *testing.T) {
				defer func() {
					if recover() == nil {
						t.Error("no panic")
					}
				}()
				fill()
			})
		}
	}
	if before != string(r.base) {
		t.Error("memory was written")
	}
}

// TestShortBuffer: Read returns the size of the payload and copies as much as fits.
func TestShortBuffer(t *testing.T) {
	r := newRing(t, geometry(8, 2, 1))
	p, c := openPublisher(t, r, 0), r.Reader(FromNow())
	publish(t, p, 5)
	e, _ := c.Peek()
	var buf [8]byte
	if _, n, st := c.Read(e, buf[:5]); n != 48 || st != Done || buf[0] != 5 || [3]byte(buf[5:]) != [3]byte{} {
		t.Errorf("%d bytes, status %d, %x", n, st, buf)
	}
	if _, n, st := c.Read(e, nil); n != 48 || st != Done {
		t.Errorf("%d bytes, status %d", n, st)
	}
}

// TestLimitKeepsSlot: after a publish that found no room, the next one publishes the same slot
// without filling it again.
func TestLimitKeepsSlot(t *testing.T) {
	r := newRing(t, geometry(8, 2, 1))
	c := r.Join(0, FromNow(), true)
	p := openPublisher(t, r, 0)
	publishAll(t, p, seq(0, 8)...)
	var buf [48]byte
	message(&buf, 8)
	p.Fill(0, buf[:])
	info := layout.MakeFrameInfo(48, layout.FlagWhole, 0, 0)
	for range 3 {
		// As after a lost race.
		atomic.StoreUint64(p.own().pair, uint64(layout.InFlight(p.own().number, r.load(7).Slot())))
		if st := p.Exchange(info, 8); st != Limit {
			t.Fatalf("status %d, want Limit", st)
		}
		if b := r.Audit(); b.Unsettled > 0 {
			t.Fatalf("a publisher that waits has a pair in flight: %+v", b)
		}
		if who, at := p.Rescan(); who != 0 || at != 0 {
			t.Fatalf("held back by %d at %d", who, at)
		}
		if who, at := p.Slowest(); who != 0 || at != 0 {
			t.Fatalf("slowest is %d at %d", who, at)
		}
		expectBalance(t, r)
	}
	expect(t, c, 0)
	if who, _ := p.Rescan(); who != -1 {
		t.Fatalf("still held back by %d", who)
	}
	if st := p.Exchange(info, 8); st != Done {
		t.Fatalf("status %d", st)
	}
	expect(t, c, seq(1, 9)...)
}

// pubPairs returns the pairs of a record.
func pubPairs(r *Ring, record int) []layout.Pair {
	var s []layout.Pair
	for k := range r.layout.Geometry.Owned {
		s = append(s, layout.Pair(atomic.LoadUint64(r.pairWord(record, k))))
	}
	return s
}
