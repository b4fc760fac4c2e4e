//go:build !race

package ring

import (
	"testing"

	"shmbus/layout"
)

// TestNoAllocations: publishing and reading allocate nothing.
func TestNoAllocations(t *testing.T) {
	r := newRing(t, geometry(64, 4, 1))
	p, c := openPublisher(t, r, 0), r.Join(0, FromNow(), true)
	payload := make([]byte, 48)
	buf := make([]byte, 48)
	frames := [][]byte{payload, payload, payload}
	info := layout.MakeFrameInfo(len(payload), layout.FlagWhole, 0, 0)
	exchange := func() {
		for p.Exchange(info, 1) != Done {
			p.Rescan()
		}
	}
	read := func() {
		e, _ := c.Peek()
		if _, _, st := c.Read(e, buf); st != Done {
			t.Fatal(st)
		}
		c.Advance()
	}
	for name, f := range map[string]func(){
		"Fill":          func() { p.Fill(0, payload); exchange(); read() },
		"FillWord":      func() { p.FillWord(8, 1); exchange(); read() },
		"Fill anywhere": func() { p.Fill(3, payload[:9]); exchange(); read() },
		"Payload":       func() { b := p.Payload(); copy(b, payload); p.CommitPayload(b); exchange(); read() },
		"PublishRun, Take": func() {
			n, _, st := p.PublishRun(frames, info&^48, 1)
			for ; st != Done; st = p.Exchange(info, 1) {
				if n++; n > len(frames) {
					t.Fatal(st)
				}
				p.Rescan()
			}
			for range n {
				if _, ok := c.Take(Match{Tag: 1, Kind: info.Kind()}, buf); !ok {
					t.Fatal("not taken")
				}
			}
		},
		"View": func() {
			exchange()
			e, _ := c.Peek()
			if info, _, st := c.View(e); st != Done || c.Valid(e, info) != Done {
				t.Fatal(st)
			}
			c.Advance()
		},
		"Jump": func() {
			c.SetNext(c.Next())
			exchange()
			c.Jump()
			c.CaughtUp()
			c.SetNext(r.Head())
		},
		"Gates": func() { r.CloseGate(0); p.Slowest(); r.Protected(0, 0); r.OpenGate(0, r.Gate(0), layout.GateOpen) },
	} {
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
