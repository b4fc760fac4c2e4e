package ring

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shmbus/layout"
)

func TestRescanLimits(t *testing.T) {
	const n = 16
	for _, tt := range []struct {
		name      string
		published uint64
		cursors   map[int]uint64 // of closed gates, by subscriber record
		who       int
		at        uint64
		limit     uint64
	}{
		{"no gates", 100, nil, -1, 100, 100 + n/2},
		{"at the head", 100, map[int]uint64{0: 100}, -1, 100, 100 + n/2},
		{"ahead of the head", 100, map[int]uint64{0: 1000}, -1, 100, 100 + n/2},
		{"half a lap behind", 100, map[int]uint64{0: 92}, -1, 92, 108},
		{"one less room", 100, map[int]uint64{0: 91}, -1, 91, 107},
		{"room for one", 100, map[int]uint64{0: 85}, -1, 85, 101},
		{"full", 100, map[int]uint64{5: 84}, 5, 84, 100},
		{"lapped already", 100, map[int]uint64{5: 20}, 5, 20, 36},
		{"the slowest of several", 100, map[int]uint64{0: 90, 9: 99, 31: 86, 63: 95}, -1, 86, 102},
		{"full by the last", 100, map[int]uint64{0: 90, 63: 84}, 63, 84, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRing(t, geometry(n, 2, 1))
			p := openPublisher(t, r, 0)
			publishAll(t, p, seq(0, tt.published)...)
			for s, c := range tt.cursors {
				r.Join(s, From(c), true)
				atomic.StoreUint64(r.subWord(s, layout.SubCursor), c)
			}
			who, at := p.Rescan()
			if who != tt.who || at != tt.at || p.limit != tt.limit {
				t.Errorf("Rescan says %d at %d, limit %d; want %d at %d, %d", who, at, p.limit, tt.who, tt.at, tt.limit)
			}
			for p.Exchange(0, 0) == Done {
			}
			if want := max(tt.limit, tt.published); p.Next() != want {
				t.Errorf("published up to %d, want %d", p.Next(), want)
			}
		})
	}
}

// TestStaleLimit: a publisher that has scanned before a gate was closed displaces nothing that the
// gate protects, even if it uses its whole limit.
func TestStaleLimit(t *testing.T) {
	r := newRing(t, geometry(16, 2, 2))
	p, q := openPublisher(t, r, 0), openPublisher(t, r, 1)
	publishAll(t, p, seq(0, 20)...)
	p.Rescan() // sees 20, may go to 28
	publishAll(t, q, seq(20, 24)...)
	c := r.Join(0, FromNow(), true) // starts at 24
	for p.Exchange(layout.MakeFrameInfo(0, layout.FlagWhole, 0, 0), 0) == Done {
	}
	if p.Next() != 28 {
		t.Fatalf("published up to %d, want 28", p.Next())
	}
	for {
		if who, _ := p.Rescan(); who >= 0 {
			break
		}
		for p.Exchange(layout.MakeFrameInfo(0, layout.FlagWhole, 0, 0), 0) == Done {
		}
	}
	if p.Next() != 40 || c.Next() != 24 {
		t.Errorf("published up to %d, the gate is at %d", p.Next(), c.Next())
	}
	expectStatus(t, c, Done)
}

// TestFirstPublishLooks: a new publisher sees a gate that was closed before.
func TestFirstPublishLooks(t *testing.T) {
	r := newRing(t, geometry(8, 2, 2))
	r.Join(0, FromNow(), true)
	publishAll(t, openPublisher(t, r, 0), seq(0, 8)...)
	if st := openPublisher(t, r, 1).Exchange(0, 0); st != Limit {
		t.Errorf("status %d, want Limit", st)
	}
}

// TestGateGenerations: a gate is opened once, by a process that has loaded it since it was closed.
func TestGateGenerations(t *testing.T) {
	r := newRing(t, geometry(8, 2, 1))
	if g := r.Gate(7); r.OpenGate(7, g, layout.GateEvicted) {
		t.Error("a gate that was never closed was opened")
	}
	r.Join(7, FromNow(), true)
	seen := r.Gate(7) // a helper stops here
	if seen.State() != layout.GateClosed {
		t.Fatalf("gate %x", seen)
	}
	if !r.OpenGate(7, seen, layout.GateDemoted) || r.Gate(7).State() != layout.GateDemoted || r.Gate(7).Generation() != seen.Generation() {
		t.Fatalf("gate %x after %x", r.Gate(7), seen)
	}
	for _, stale := range []layout.Gate{seen, r.Gate(7)} {
		if r.OpenGate(7, stale, layout.GateEvicted) {
			t.Error("an open gate was opened again")
		}
	}
	r.Join(7, FromNow(), true) // the record's next owner
	closed := r.Gate(7)
	if r.OpenGate(7, seen, layout.GateEvicted) || r.Gate(7) != closed {
		t.Errorf("a late helper opened the gate of the next owner: %x", r.Gate(7))
	}
	if who, _ := r.slowest(100); who != 7 {
		t.Errorf("slowest is %d", who)
	}
	r.OpenGate(7, closed, layout.GateOpen)
	r.ForgetGate(7)
	if who, _ := r.slowest(100); who != -1 {
		t.Errorf("slowest is %d", who)
	}
	// Closing a closed gate makes a new generation, too.
	r.CloseGate(7)
	first := r.Gate(7)
	r.CloseGate(7)
	if r.OpenGate(7, first, layout.GateOpen) {
		t.Error("a helper of the first closing opened the second")
	}
}

// TestForgetGate touches one bit only.
func TestForgetGate(t *testing.T) {
	r := newRing(t, geometry(8, 2, 1))
	for s := range 64 {
		r.CloseGate(s)
	}
	for s := range 64 {
		r.ForgetGate(s)
		if got, want := atomic.LoadUint64(r.word(layout.HeaderGates)), ^uint64(0)<<s<<1; got != want {
			t.Fatalf("after %d the gates are %x, want %x", s, got, want)
		}
	}
}

func TestProtected(t *testing.T) {
	const near = 1<<46 + 50
	for _, tt := range []struct {
		name   string
		cursor uint64
		wake   layout.Wake
		want   uint64
	}{
		{"awake", 1 << 46, layout.MakeWake(1<<46+40, 1, layout.Awake), 1 << 46},
		{"asleep", 1 << 46, layout.MakeWake(1<<46, 1, layout.Asleep), 1 << 46},
		{"not certified yet", 1<<46 - 20, layout.MakeWake(layout.NotYet, 1, layout.Asleep), 1<<46 - 20},
		{"certified", 1 << 46, layout.MakeWake(1<<46+40, 1, layout.Asleep), 1<<46 + 40},
		{"claimed", 1 << 46, layout.MakeWake(1<<46+40, 1, layout.Claimed), 1<<46 + 40},
		{"notified", 1 << 46, layout.MakeWake(1<<46+40, 1, layout.Notified), 1<<46 + 40},
		{"the cursor has moved on", 1<<46 + 45, layout.MakeWake(1<<46+40, 1, layout.Notified), 1<<46 + 45},
		{"across the wrap of the wake word", 1<<46 - 20, layout.MakeWake(1<<46-5, 1, layout.Asleep), 1<<46 - 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRing(t, geometry(8, 2, 1))
			atomic.StoreUint64(r.subWord(2, layout.SubCursor), tt.cursor)
			atomic.StoreUint64(r.subWord(2, layout.SubWake), uint64(tt.wake))
			if got := r.Protected(2, near); got != tt.want {
				t.Errorf("protected from %#x, want %#x", got, tt.want)
			}
		})
	}
}

// TestJoinWhilePublishing: reliable readers come and go while publishers run at full speed round a
// small ring; none loses anything.
func TestJoinWhilePublishing(t *testing.T) {
	const pubs, subs, each = 4, 3, 12
	r := newRing(t, geometry(8, 2, pubs))
	for s := range 64 { // open gates, after those of the readers, make each scan longer
		r.CloseGate(s)
		r.OpenGate(s, r.Gate(s), layout.GateOpen)
	}
	var stop atomic.Bool
	var writers, readers sync.WaitGroup
	for i := range pubs {
		writers.Go(func() {
			p := openPublisher(t, r, i)
			for v := uint64(0); !stop.Load() && !t.Failed(); v++ {
				publishUnless(t, p, v, &stop)
			}
		})
	}
	var joins atomic.Int64
	deadline := time.Now().Add(1500 * time.Millisecond)
	for s := range subs {
		readers.Go(func() {
			for time.Now().Before(deadline) && !t.Failed() {
				c := r.Join(s, FromNow(), true)
				for range joins.Add(1) % 4 {
					runtime.Gosched() // the ring fills up meanwhile
				}
				for got := 0; got < each && time.Now().Before(deadline); {
					at := c.Next()
					switch _, st := take(t, c); st {
					case Done:
						got++
					case Empty:
						runtime.Gosched()
					default:
						t.Errorf("a reliable reader has status %d at %d, head %d", st, at, r.Head())
						return
					}
				}
				r.OpenGate(s, r.Gate(s), layout.GateOpen)
				r.ForgetGate(s)
			}
		})
	}
	readers.Wait()
	stop.Store(true)
	writers.Wait()
	expectBalance(t, r)
	t.Logf("%d joins, %d messages", joins.Load(), r.Head())
}

// publishUnless publishes value unless stop is set while it waits for room.
func publishUnless(t *testing.T, p *Publisher, value uint64, stop *atomic.Bool) bool {
	var buf [48]byte
	message(&buf, value)
	p.Fill(0, buf[:])
	for {
		switch st := p.Exchange(layout.MakeFrameInfo(48, layout.FlagWhole, uint16(p.Index()), 0), uint32(value)); st {
		case Done:
			return true
		case Limit:
			if who, _ := p.Rescan(); who >= 0 {
				if stop.Load() {
					return false
				}
				runtime.Gosched()
			}
		default:
			t.Errorf("status %d at %d", st, p.Next())
			return false
		}
	}
}
