package ring

import (
	"bytes"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"shmbus/layout"
)

// filler returns n bytes that depend on all its arguments.
func filler(n, seed int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(seed*31 + i*7 + n)
	}
	return b
}

func fillers(sizes ...int) [][]byte {
	var frames [][]byte
	for i, n := range sizes {
		frames = append(frames, filler(n, i))
	}
	return frames
}

// TestPublishRun: PublishRun publishes as many frames as slots can be filled at once, up to the
// first that does not fit a slot, and none of them is changed.
func TestPublishRun(t *testing.T) {
	const owned = 3
	info := layout.MakeFrameInfo(0, layout.FlagWhole, 0, 9)
	like := Match{Tag: 5, Kind: info.Kind()}
	for _, tt := range []struct {
		name  string
		sizes []int
		n     int
	}{
		{"none", nil, 0},
		{"one", []int{8}, 1},
		{"fewer than slots", []int{8, 48}, 2},
		{"as many as slots", []int{1, 2, 3}, 3},
		{"more than slots", []int{20, 30, 40, 41, 42}, 3},
		{"a full slot", []int{48, 48, 48}, 3},
		{"nothing", []int{0, 8}, 0},
		{"nothing in the middle", []int{8, 0, 8}, 1},
		{"too large", []int{49, 8}, 0},
		{"too large behind others", []int{7, 9, 49}, 2},
		{"far too large", []int{8, 1 << 20}, 1},
	} {
		for _, start := range starts {
			t.Run(tt.name+"/"+start.name, func(t *testing.T) {
				r := newRing(t, geometry(16, owned, 2))
				r.FormatAt(start.at)
				p, other, c := openPublisher(t, r, 0), openPublisher(t, r, 1), r.Reader(FromNow())
				frames := fillers(tt.sizes...)
				for range 10 { // so that a run begins at each owned slot, and reuses slots
					publish(t, other, 1) // so that the run begins above the head that the publisher has seen
					expect(t, c, 1)
					p.Rescan()
					publish(t, other, 2)
					expect(t, c, 2)
					before := r.Head()
					if p.CatchUp(); p.Next() != before {
						t.Fatalf("caught up to %d, the head is %d", p.Next(), before)
					}
					n, _, st := p.PublishRun(frames, info, like.Tag)
					if n != tt.n || st != Done || r.Head() != before+uint64(n) {
						t.Fatalf("%d published, status %d, head %d; want %d from %d on", n, st, r.Head(), tt.n, before)
					}
					for i := range n {
						var buf [48]byte
						k, ok := c.Take(like, buf[:])
						if !ok || !bytes.Equal(buf[:k], frames[i]) {
							t.Fatalf("frame %d: %v, %x; want %x", i, ok, buf[:k], frames[i])
						}
					}
					expectStatus(t, c, Empty)
					expectBalance(t, r)
					publish(t, p, 3) // by single publishes
					expect(t, c, 3)
				}
			})
		}
	}
}

// TestPublishRunKeepsSlot: the frame that found no room is in its slot, and the next Exchange
// publishes it.
func TestPublishRunKeepsSlot(t *testing.T) {
	info := layout.MakeFrameInfo(0, layout.FlagWhole, 0, 0)
	for room := range 5 {
		r := newRing(t, geometry(8, 4, 1))
		c, p := r.Join(0, FromNow(), true), openPublisher(t, r, 0)
		publishAll(t, p, seq(0, uint64(8-room))...)
		for p.Remaining() < uint64(room) {
			p.Rescan() // half a lap at a time
		}
		frames := fillers(10, 11, 12, 13)
		n, _, st := p.PublishRun(frames, info, 0)
		if want := Done; n != min(room, 4) || room < 4 && st != Limit || room >= 4 && st != want {
			t.Fatalf("room %d: %d published, status %d", room, n, st)
		}
		expectBalance(t, r)
		if b := r.Audit(); b.Unsettled > 0 {
			t.Fatalf("room %d: a pair is in flight: %+v", room, b)
		}
		expect(t, c, seq(0, uint64(8-room))...)
		if n < 4 {
			p.Rescan()
			if st := p.Exchange(info|layout.FrameInfo(len(frames[n])), 0); st != Done {
				t.Fatalf("room %d: status %d", room, st)
			}
			n++
		}
		for i := range n {
			var buf [48]byte
			if k, ok := c.Take(Match{Kind: info.Kind()}, buf[:]); !ok || !bytes.Equal(buf[:k], frames[i]) {
				t.Fatalf("room %d, frame %d: %x", room, i, buf[:k])
			}
		}
		expectStatus(t, c, Empty)
	}
}

// TestPublishRunIsBounded: the first message of large slots does not wait until many are copied.
func TestPublishRunIsBounded(t *testing.T) {
	for _, tt := range []struct{ slotSize, n int }{{64, 8}, {4096, 8}, {1 << 13, 8}, {1 << 14, 4}, {1 << 15, 2}, {1 << 16, 1}, {1 << 17, 1}} {
		g := geometry(8, 8, 1)
		g.SlotSize = tt.slotSize
		r := newRing(t, g)
		p := openPublisher(t, r, 0)
		p.Rescan()
		p.limit = 1 << 30
		if n, _, st := p.PublishRun(fillers(slices.Repeat([]int{1}, 12)...), layout.MakeFrameInfo(0, layout.FlagWhole, 0, 0), 0); n != tt.n || st != Done {
			t.Errorf("slots of %d bytes: %d in a run, status %d, want %d", tt.slotSize, n, st, tt.n)
		}
	}
}

// TestTake: Take takes a message that matches, whole, and moves the cursor for no other.
func TestTake(t *testing.T) {
	info := layout.MakeFrameInfo(0, layout.FlagWhole, 3, 9)
	like := Match{Tag: 5, Kind: info.Kind()}
	slot := func(r *Ring) address { return r.slot(r.load(r.Head() - 1).Slot()) }
	setInfo := func(i layout.FrameInfo) func(*Ring) {
		return func(r *Ring) { atomic.StoreUint64(slotInfo(slot(r)), uint64(i)) }
	}
	for _, tt := range []struct {
		name   string
		change func(r *Ring) // once it is published
		dst    int
		ok     bool
	}{
		{"alike", func(*Ring) {}, 48, true},
		{"into more room than a slot has", func(*Ring) {}, 100, true},
		{"into too little room", func(*Ring) {}, -1, false},
		{"another publisher", setInfo(layout.MakeFrameInfo(48, layout.FlagWhole, 4, 9)), 48, false},
		{"another topic", setInfo(layout.MakeFrameInfo(48, layout.FlagWhole, 3, 8)), 48, false},
		{"with a time", setInfo(layout.MakeFrameInfo(48, layout.FlagWhole|layout.FlagTime, 3, 9)), 48, false},
		{"a fragment", setInfo(layout.MakeFrameInfo(48, layout.FlagFirst, 3, 9)), 48, false},
		{"a size that no slot has", setInfo(info | 49), 100, false},
		{"the largest size", setInfo(info | 1<<24 - 1), 1 << 10, false},
		{"another tag", func(r *Ring) {
			e := r.load(r.Head() - 1)
			atomic.StoreUint64(r.entry((r.Head()-1)&r.mask), uint64(layout.MakeEntry(e.Lap(), 6, e.Slot())))
		}, 48, false},
		{"a slot that there is not", func(r *Ring) {
			atomic.StoreUint64(r.entry((r.Head()-1)&r.mask), uint64(layout.MakeEntry(r.load(r.Head()-1).Lap(), 5, r.total)))
		}, 48, false},
		{"a slot far away", func(r *Ring) {
			atomic.StoreUint64(r.entry((r.Head()-1)&r.mask), uint64(layout.MakeEntry(r.load(r.Head()-1).Lap(), 5, 1<<20-1)))
		}, 48, false},
		{"the slot has another position", func(r *Ring) { atomic.AddUint64(slotPosition(slot(r)), 8) }, 48, false},
		{"the slot is of a time 2^32 laps ago", func(r *Ring) { atomic.AddUint64(slotPosition(slot(r)), ^uint64(8<<32-1)) }, 48, false},
		{"lapped", func(r *Ring) { publishAll(t, openPublisher(t, r, 1), seq(0, 8)...) }, 48, false},
		{"lapped by the same", func(r *Ring) {
			p := openPublisher(t, r, 1)
			for range 8 {
				p.Rescan()
				if n, _, st := p.PublishRun(fillers(48), info, 5); n != 1 || st != Done {
					t.Fatal(n, st)
				}
			}
		}, 48, false},
	} {
		for _, size := range []int{0, 1, 7, 8, 9, 15, 16, 17, 40, 47, 48} {
			if tt.dst < 0 && size == 0 {
				continue // nothing is smaller than that
			}
			for _, start := range starts {
				t.Run(fmt.Sprintf("%s/%d bytes/%s", tt.name, size, start.name), func(t *testing.T) {
					r := fencedRing(t, geometry(8, 2, 2)) // an access outside ends the test
					r.FormatAt(start.at)
					c, p := r.Join(7, FromNow(), false), openPublisher(t, r, 0)
					frame := filler(size, 1)
					p.Rescan()
					p.Fill(0, frame)
					if st := p.Exchange(info|layout.FrameInfo(size), 5); st != Done {
						t.Fatal(st)
					}
					tt.change(r)
					at, room := c.Next(), tt.dst
					if room < 0 {
						room = size - 1
					}
					dst := make([]byte, room+8)
					for i := range dst {
						dst[i] = 0xee
					}
					n, ok := c.Take(like, dst[:room:room])
					if ok != tt.ok {
						t.Fatalf("taken: %v", ok)
					}
					if !ok {
						n = room
					}
					if ok && (n != size || !bytes.Equal(dst[:n], frame)) || c.Next() != at+map[bool]uint64{true: 1}[ok] {
						t.Fatalf("%d bytes: %x, want %x; next %d", n, dst[:n], frame, c.Next())
					}
					if got := atomic.LoadUint64(r.subWord(7, layout.SubCursor)); got != c.Next() {
						t.Fatalf("the record's cursor is %d, the reader's %d", got, c.Next())
					}
					for i, v := range dst[max(n, room):] {
						if v != 0xee {
							t.Fatalf("byte %d behind the room was written", i)
						}
					}
				})
			}
		}
	}
}

// TestUnwanted: Unwanted counts entries up to the first that is wanted, empty, or lapped.
func TestUnwanted(t *testing.T) {
	for _, start := range starts {
		for _, tt := range []struct {
			name      string
			tags      []uint32
			limit     uint64
			displaced bool
			want      uint64
		}{
			{"none there", nil, 8, false, 0},
			{"all", []uint32{1, 2, 3}, 8, false, 3},
			{"up to a limit", []uint32{1, 2, 3}, 2, false, 2},
			{"no further than asked", []uint32{1, 2, 3}, 0, false, 0},
			{"up to one that is wanted", []uint32{1, 70, 3}, 8, false, 1},
			{"the first is wanted", []uint32{70, 1}, 8, false, 0},
			{"neighbours of those that are", []uint32{69, 71, 4094}, 8, false, 3},
			{"the largest tag", []uint32{1, 4095, 1}, 8, false, 1},
			{"a lap", []uint32{1, 1, 1, 1, 1, 1, 1, 1}, 100, false, 8},
			{"lapped", []uint32{1, 1, 1}, 8, true, 0},
		} {
			t.Run(tt.name+"/"+start.name, func(t *testing.T) {
				r := newRing(t, geometry(8, 2, 1))
				r.FormatAt(start.at)
				c, p := r.Reader(FromNow()), openPublisher(t, r, 0)
				for _, tag := range tt.tags {
					p.Rescan()
					if st := p.Exchange(0, tag); st != Done {
						t.Fatal(st)
					}
				}
				if tt.displaced {
					for range 8 {
						p.Rescan()
						p.Exchange(0, 1)
					}
				}
				wanted := layout.TagSet{70 / 64: 1 << (70 % 64), 4095 / 64: 1 << 63}
				if got := c.Unwanted(&wanted, tt.limit); got != tt.want {
					t.Errorf("%d, want %d", got, tt.want)
				}
				if c.Next() != start.at {
					t.Errorf("the cursor moved to %d", c.Next())
				}
			})
		}
	}
}

// TestAwait: Await returns true if there is a message, and if it was overwritten.
func TestAwait(t *testing.T) {
	r := newRing(t, geometry(8, 2, 1))
	c, p := r.Reader(FromNow()), openPublisher(t, r, 0)
	for _, n := range []int{0, 1, 100} {
		if c.Await(n) {
			t.Errorf("after %d looks something is there", n)
		}
	}
	publish(t, p, 0)
	if c.Await(0) || !c.Await(1) || !c.Await(100) {
		t.Error("a message is not noticed")
	}
	publishAll(t, p, seq(1, 20)...)
	if !c.Await(1) {
		t.Error("a loss is not noticed")
	}
	done := make(chan bool)
	c.SetNext(r.Head())
	go func() { done <- c.Await(1 << 30) }()
	publish(t, p, 99)
	if !<-done {
		t.Error("a message that came later is not noticed")
	}
}

// TestCopyBounds: Copy copies the bytes that View returns, and nothing outside of the slot.
func TestCopyBounds(t *testing.T) {
	r := newRing(t, geometry(8, 2, 1))
	c, p := r.Reader(FromNow()), openPublisher(t, r, 0)
	frame := filler(48, 1)
	p.Rescan()
	p.Fill(0, frame)
	if st := p.Exchange(layout.MakeFrameInfo(48, layout.FlagWhole, 0, 0), 0); st != Done {
		t.Fatal(st)
	}
	e, _ := c.Peek()
	for _, tt := range []struct {
		e      layout.Entry
		off, n int
		copied bool
	}{
		{e, 0, 48, true}, {e, 8, 40, true}, {e, 8, 7, true}, {e, 48, 0, true}, {e, 0, 49, false}, {e, 8, 41, false}, {e, 56, 0, true},
		{e, -8, 8, false}, {e, 1 << 62, 8, false}, {layout.MakeEntry(1, 0, r.total), 0, 8, false},
	} {
		dst := make([]byte, tt.n)
		c.Copy(tt.e, tt.off, dst)
		want := make([]byte, tt.n)
		if tt.copied && tt.n > 0 {
			copy(want, frame[tt.off:])
		}
		if !bytes.Equal(dst, want) {
			t.Errorf("%d bytes from %d on: %x", tt.n, tt.off, dst)
		}
	}
}
