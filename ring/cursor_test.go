package ring

import (
	"fmt"
	"math"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"shmbus/layout"
)

func TestStart(t *testing.T) {
	for _, tt := range []struct {
		published    uint64
		start        Start
		name         string
		next         uint64
		want         Status
		wantReliable uint64
	}{
		{0, FromNow(), "now", 0, Empty, 0},
		{0, FromOldest(), "oldest", 0, Empty, 0},
		{5, FromNow(), "now", 5, Empty, 5},
		{5, FromOldest(), "oldest", 0, Done, 0},
		{8, FromOldest(), "oldest", 0, Done, 0},
		{9, FromOldest(), "oldest", 1, Done, 1},
		{100, FromOldest(), "oldest", 92, Done, 92},
		{100, From(95), "held", 95, Done, 95},
		{100, From(91), "just lost", 91, Lapped, 100},
		{100, From(0), "long lost", 0, Lapped, 100},
		{100, From(100), "head", 100, Empty, 100},
		{100, From(1000), "future", 1000, Empty, 1000},
	} {
		t.Run(fmt.Sprintf("%s/%d", tt.name, tt.published), func(t *testing.T) {
			r := newRing(t, geometry(8, 2, 1))
			p := openPublisher(t, r, 0)
			publishAll(t, p, seq(0, tt.published)...)
			for _, c := range []*Cursor{r.Reader(tt.start), r.Join(0, tt.start, false), r.Join(1, tt.start, true)} {
				if c.Next() != tt.next {
					t.Errorf("starts at %d, want %d", c.Next(), tt.next)
				}
				expectStatus(t, c, tt.want)
			}
			for s, want := range []struct {
				state  uint32
				cursor uint64
			}{{layout.GateOpen, tt.next}, {layout.GateClosed, tt.wantReliable}} {
				if g := r.Gate(s); g.State() != want.state {
					t.Errorf("gate %d has state %d", s, g.State())
				}
				if got := atomic.LoadUint64(r.subWord(s, layout.SubCursor)); got != want.cursor {
					t.Errorf("the cursor of record %d is %d, want %d", s, got, want.cursor)
				}
			}
		})
	}
}

// TestCursorWord: publishers see what Advance and SetNext release, and not what Skip passes over.
func TestCursorWord(t *testing.T) {
	r := newRing(t, geometry(8, 2, 1))
	c := r.Join(3, FromNow(), true)
	for _, tt := range []struct {
		move         func()
		next, shared uint64
	}{{func() { c.Skip(1) }, 1, 0}, {func() { c.Skip(1) }, 2, 0}, {c.Advance, 3, 3}, {func() { c.SetNext(7) }, 7, 7}, {func() { c.Skip(1) }, 8, 7}, {func() { c.SetNext(c.Next()) }, 8, 8}} {
		tt.move()
		if got := atomic.LoadUint64(r.subWord(3, layout.SubCursor)); c.Next() != tt.next || got != tt.shared {
			t.Fatalf("next %d, shared %d; want %d and %d", c.Next(), got, tt.next, tt.shared)
		}
		if who, at := r.slowest(100); who != 3 || at != tt.shared {
			t.Fatalf("publishers see %d at %d", who, at)
		}
	}
}

// TestValidAfterDisplacement stops a reader between its first and last load of the entry, and puts
// its slot into every state that it may have by then.
func TestValidAfterDisplacement(t *testing.T) {
	const lap = 8
	tests := []struct {
		name  string
		after func(p *Publisher)
		want  Status
	}{
		{"nothing happened", func(*Publisher) {}, Done},
		{"almost a lap", func(p *Publisher) { publishAll(t, p, seq(1, lap)...) }, Done},
		{"displaced", func(p *Publisher) { publishAll(t, p, seq(1, lap+1)...) }, Lapped},
		{"displaced, being filled", func(p *Publisher) {
			publishAll(t, p, seq(1, lap+2)...)
			p.Fill(0, make([]byte, 48)) // position and info are as they were
		}, Lapped},
		{"displaced, in flight", func(p *Publisher) {
			publishAll(t, p, seq(1, lap+2)...)
			dieAt(t, p.r, p, inFlight, 99, nil)
		}, Lapped},
		{"published again", func(p *Publisher) { publishAll(t, p, seq(1, lap+3)...) }, Lapped},
		{"laps later", func(p *Publisher) { publishAll(t, p, seq(1, 10*lap)...) }, Lapped},
	}
	for _, tt := range tests {
		for _, start := range starts {
			t.Run(tt.name+"/"+start.name, func(t *testing.T) {
				r := newRing(t, geometry(lap, 2, 1))
				r.FormatAt(start.at)
				c, p := r.Reader(FromNow()), openPublisher(t, r, 0)
				publish(t, p, 0)
				e, st := c.Peek()
				if st != Done {
					t.Fatal(st)
				}
				info, _, st := c.View(e)
				if st != Done {
					t.Fatal(st)
				}
				slot := e.Slot()
				tt.after(p)
				if got := c.Valid(e, info); got != tt.want {
					t.Errorf("Valid says %d, want %d", got, tt.want)
				}
				var buf [48]byte
				if _, _, got := c.Read(e, buf[:]); got != tt.want {
					t.Errorf("Read says %d, want %d", got, tt.want)
				}
				if tt.name == "displaced, being filled" && p.own().number != slot {
					t.Error("the case is not the one meant")
				}
			})
		}
	}
}

// TestCorruptSlots: a reader returns Corrupt for words that no correct program wrote.
func TestCorruptSlots(t *testing.T) {
	tests := []struct {
		name   string
		damage func(r *Ring, slot uint32)
		want   Status
	}{
		{"position of another entry", func(r *Ring, s uint32) { atomic.StoreUint64(slotPosition(r.slot(s)), 3) }, Corrupt},
		{"position of another lap", func(r *Ring, s uint32) { atomic.StoreUint64(slotPosition(r.slot(s)), 8) }, Corrupt},
		{"position 2^32 laps ago", func(r *Ring, s uint32) { atomic.StoreUint64(slotPosition(r.slot(s)), 8<<32) }, Lapped},
		{"size", func(r *Ring, s uint32) {
			atomic.StoreUint64(slotInfo(r.slot(s)), uint64(layout.MakeFrameInfo(49, layout.FlagWhole, 0, 0)))
		}, Corrupt},
		{"largest size", func(r *Ring, s uint32) { atomic.StoreUint64(slotInfo(r.slot(s)), 1<<64-1) }, Corrupt},
		{"slot beyond the last", func(r *Ring, s uint32) { atomic.StoreUint64(r.entry(0), uint64(layout.MakeEntry(1, 0, r.total))) }, Corrupt},
		{"slot far beyond", func(r *Ring, s uint32) { atomic.StoreUint64(r.entry(0), uint64(layout.MakeEntry(1, 0, 1<<20-1))) }, Corrupt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRing(t, geometry(8, 2, 1))
			c, p := r.Reader(FromNow()), openPublisher(t, r, 0)
			publishAll(t, p, 0, 1)
			tt.damage(r, r.load(0).Slot())
			e, st := c.Peek()
			if st != Done {
				t.Fatalf("status %d", st)
			}
			var buf [64]byte
			if _, n, st := c.Read(e, buf[:]); st != tt.want || n > 48 {
				t.Errorf("Read says %d, %d bytes; want %d", st, n, tt.want)
			}
			info, b, st := c.View(e)
			if len(b) > 48 {
				t.Errorf("View gives %d bytes", len(b))
			}
			if st == Done {
				st = c.Valid(e, info)
			}
			if st != tt.want {
				t.Errorf("View and Valid say %d, want %d", st, tt.want)
			}
			// The reader can continue after it.
			c.Advance()
			expect(t, c, 1)
		})
	}
}

func TestExchangeOnCorruptEntry(t *testing.T) {
	beyond, behind := layout.MakeEntry(0, 0, 1<<20-1), layout.MakeEntry(1<<32-1, 0, 0)
	for name, tt := range map[string]struct {
		entry     layout.Entry
		certified uint64
	}{
		"slot beyond the last": {beyond, 0},
		"two laps behind":      {behind, 0},
		// Positions of the very last lap seem to be filled, and the search from there wraps to 0.
		"slot beyond the last, certified by 2^64": {beyond, math.MaxUint64},
		"two laps behind, certified by 2^64":      {behind, math.MaxUint64},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRing(t, geometry(8, 2, 1))
			p := openPublisher(t, r, 0)
			p.Rescan()
			atomic.StoreUint64(r.word(layout.HeaderCertified), tt.certified)
			atomic.StoreUint64(r.entry(0), uint64(tt.entry))
			atomic.StoreUint64(p.owned[0].pair, uint64(layout.InFlight(8, 1))) // as a lost race leaves it
			if st := p.Exchange(0, 0); st != Corrupt {
				t.Errorf("status %d", st)
			}
			if pair := pubPairs(r, 0)[0]; pair != layout.Settled(8) {
				t.Errorf("the pair is %#x", uint64(pair))
			}
		})
	}
}

// TestJumpMargins: each jump lands further from the oldest position, up to half a ring, until the
// reader has caught up.
func TestJumpMargins(t *testing.T) {
	for _, tt := range []struct {
		slots   int
		margins []uint64
	}{
		{8, []uint64{0, 1, 2, 4, 4, 4}},
		{16, []uint64{0, 1, 2, 4, 8, 8}},
		{64, []uint64{0, 4, 8, 16, 32, 32, 32}},
		{256, []uint64{0, 16, 32, 64, 128, 128}},
	} {
		t.Run(fmt.Sprintf("slots=%d", tt.slots), func(t *testing.T) {
			r := newRing(t, geometry(tt.slots, 2, 1))
			n := r.Slots()
			c, p := r.Join(0, FromNow(), false), openPublisher(t, r, 0)
			jump := func(margin uint64) {
				t.Helper()
				for range 2*n + 3 {
					publish(t, p, p.Next())
				}
				expectStatus(t, c, Lapped)
				before := c.Next()
				from, to := c.Jump()
				if from != before || to != p.Next()-n+margin || c.Next() != to {
					t.Fatalf("jump from %d to %d, cursor %d; head %d, want a margin of %d", from, to, c.Next(), p.Next(), margin)
				}
				if got := atomic.LoadUint64(r.subWord(0, layout.SubCursor)); got != to {
					t.Fatalf("the record's cursor is %d", got)
				}
				expect(t, c, to)
			}
			for range 2 {
				for _, m := range tt.margins {
					jump(m)
				}
				c.CaughtUp()
			}
		})
	}
}

// TestJumpWithoutNeed: a jump of a reader that is not lapped loses at most one position, and never
// goes beyond the head.
func TestJumpWithoutNeed(t *testing.T) {
	r := newRing(t, geometry(8, 2, 1))
	c, p := r.Reader(FromNow()), openPublisher(t, r, 0)
	for range 5 {
		if from, to := c.Jump(); from != 0 || to != 0 {
			t.Fatalf("lost %d…%d of nothing", from, to)
		}
	}
	c.CaughtUp()
	publishAll(t, p, 0, 1, 2)
	if from, to := c.Jump(); from != 0 || to != 1 {
		t.Fatalf("lost %d…%d", from, to)
	}
	expect(t, c, 1, 2)
}

// TestAgainstModel runs random operations on a ring and on a slice.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := uint64(1) << rapid.IntRange(3, 5).Draw(t, "log2 N")
		records := rapid.IntRange(1, 3).Draw(t, "records")
		r, err := NewHeap(geometry(int(n), rapid.IntRange(2, 4).Draw(t, "owned"), records))
		if err != nil {
			t.Fatal(err)
		}
		start := rapid.SampledFrom([]uint64{0, 1 << 32, (1<<32 - 3) * n, (1<<33 - 1) * n, 1<<46 - n}).Draw(t, "start")
		r.FormatAt(start)
		var log []uint64 // log[i] is at start+i
		head := func() uint64 { return start + uint64(len(log)) }
		pubs := make([]*Publisher, records)
		for i := range pubs {
			pubs[i] = openPublisher(t, r, i)
		}
		type reader struct {
			c        *Cursor
			from     uint64
			received uint64
			lost     uint64
			sub      int
			reliable bool
		}
		var readers []*reader
		value := uint64(0)
		floor := func() uint64 { // the lowest cursor of a closed gate
			low := head()
			for _, rd := range readers {
				if rd.reliable {
					low = min(low, rd.c.Next())
				}
			}
			return low
		}
		t.Repeat(map[string]func(*rapid.T){
			"publish": func(t *rapid.T) {
				p := pubs[rapid.IntRange(0, records-1).Draw(t, "publisher")]
				for range rapid.Uint64Range(1, n+2).Draw(t, "times") {
					var buf [48]byte
					message(&buf, value)
					p.Fill(0, buf[:])
					info := layout.MakeFrameInfo(48, layout.FlagWhole, 0, 0)
					st := p.Exchange(info, uint32(value))
					if st == Limit {
						who, at := p.Rescan()
						if full := floor()+n <= head(); full != (who >= 0) {
							t.Fatalf("head %d, lowest cursor %d: Rescan says %d at %d", head(), floor(), who, at)
						}
						st = p.Exchange(info, uint32(value))
						if who >= 0 {
							if st != Limit || at != floor() {
								t.Fatalf("status %d, slowest %d at %d, want %d", st, who, at, floor())
							}
							return
						}
					}
					if st != Done || p.Next() != head()+1 {
						t.Fatalf("status %d at %d, head %d", st, p.Next(), head())
					}
					log = append(log, value)
					value++
				}
			},
			"publish a run": func(t *rapid.T) {
				p := pubs[rapid.IntRange(0, records-1).Draw(t, "publisher")]
				var frames [][]byte
				for i := range rapid.IntRange(0, 6).Draw(t, "frames") {
					frames = append(frames, make([]byte, 48))
					message((*[48]byte)(frames[i]), uint64(i)<<40|value) // all with one tag
				}
				room, before := floor()+n-head(), head()
				got, _, st := p.PublishRun(frames, layout.MakeFrameInfo(0, layout.FlagWhole, 0, 0), uint32(value))
				if uint64(got) > room || st == Done && uint(got) != min(uint(len(frames)), p.count) {
					t.Fatalf("%d of %d, status %d; head %d, room for %d", got, len(frames), st, before, room)
				}
				if st == Limit {
					if who, _ := p.Rescan(); who < 0 {
						st = p.Exchange(layout.MakeFrameInfo(48, layout.FlagWhole, 0, 0), uint32(value))
						got++
					} else if room != uint64(got) {
						t.Fatalf("%d published, full at %d, room for %d", got, before, room)
					} else {
						st = Done
					}
				}
				if st != Done {
					t.Fatalf("status %d", st)
				}
				for i := range got {
					log = append(log, uint64(i)<<40|value)
				}
				value++
			},
			"join": func(t *rapid.T) {
				if len(readers) == 8 {
					t.Skip("enough")
				}
				rd := &reader{sub: len(readers) * 9 % 64, reliable: rapid.Bool().Draw(t, "reliable")}
				rd.c = r.Join(rd.sub, FromNow(), rd.reliable)
				if rd.from = rd.c.Next(); rd.from != head() {
					t.Fatalf("starts at %d, head %d", rd.from, head())
				}
				readers = append(readers, rd)
			},
			"read": func(t *rapid.T) {
				if len(readers) == 0 {
					t.Skip("nobody")
				}
				rd := readers[rapid.IntRange(0, len(readers)-1).Draw(t, "reader")]
				for range rapid.Uint64Range(1, n).Draw(t, "times") {
					next := rd.c.Next()
					v, st := take(t, rd.c)
					want := Done
					switch {
					case next == head():
						want = Empty
					case next+n < head():
						want = Lapped
					}
					if st != want {
						t.Fatalf("at %d status %d, want %d; head %d", next, st, want, head())
					}
					switch st {
					case Done:
						rd.received++
						if v != log[next-start] {
							t.Fatalf("at %d is %d, want %d", next, v, log[next-start])
						}
					case Lapped:
						if rd.reliable {
							t.Fatalf("a reliable reader is lapped at %d, head %d", next, head())
						}
						from, to := rd.c.Jump()
						if from != next || to <= from || to > head() {
							t.Fatalf("jump %d…%d", from, to)
						}
						rd.lost += to - from
					case Empty:
						rd.c.CaughtUp()
					}
				}
			},
			"leave": func(t *rapid.T) {
				if len(readers) == 0 {
					t.Skip("nobody")
				}
				rd := readers[len(readers)-1]
				readers = readers[:len(readers)-1]
				if r.OpenGate(rd.sub, r.Gate(rd.sub), layout.GateOpen) != rd.reliable {
					t.Fatal("the gate was not as it should be")
				}
				r.ForgetGate(rd.sub)
			},
			"": func(t *rapid.T) {
				if h := r.Head(); h != head() {
					t.Fatalf("head %d, want %d", h, head())
				}
				if b := r.Audit(); !b.Balanced() || b.Unsettled > 0 {
					t.Fatalf("books: %+v", b)
				}
				for _, rd := range readers {
					if rd.received+rd.lost != rd.c.Next()-rd.from {
						t.Fatalf("received %d + lost %d, moved %d", rd.received, rd.lost, rd.c.Next()-rd.from)
					}
				}
			},
		})
	})
}
