package ring

import (
	"fmt"
	"sync/atomic"
	"testing"

	"shmbus/layout"
)

// Where laps wrap, at 2^31 and 2^32, gates protect the same as elsewhere: for readers that start
// now, at the oldest message, at one that the ring holds and at one that is overwritten.
func TestGatesAtTheWrapOfLaps(t *testing.T) {
	const n = 8
	for _, laps := range []uint64{1<<31 - 2, 1<<32 - 3, 1<<32 - 2, 1<<33 - 2} {
		for before := range uint64(4 * n) {
			for _, start := range []struct {
				name string
				Start
				at func(head uint64) (next, keeps uint64)
			}{
				{"now", FromNow(), func(head uint64) (uint64, uint64) { return head, head }},
				{"oldest", FromOldest(), func(head uint64) (uint64, uint64) { return head - n, head - n }},
				{"held", From(laps*n + before + n - 3), func(head uint64) (uint64, uint64) { return head - 3, head - 3 }},
				{"lost", From(laps*n + before - 1), func(head uint64) (uint64, uint64) { return head - n - 1, head }},
			} {
				t.Run(fmt.Sprintf("%s/%d laps and %d", start.name, laps, before), func(t *testing.T) {
					r := newRing(t, geometry(n, 2, 1))
					r.FormatAt(laps * n)
					p := openPublisher(t, r, 0)
					publishAll(t, p, seq(0, before+n)...)
					head := laps*n + before + n
					c := r.Join(1, start.Start, true)
					next, keeps := start.at(head)
					if got := atomic.LoadUint64(r.subWord(1, layout.SubCursor)); c.Next() != next || got != keeps {
						t.Fatalf("starts at %d and keeps %d, want %d and %d", c.Next(), got, next, keeps)
					}
					for {
						if who, _ := p.Rescan(); who >= 0 {
							break
						}
						for p.Exchange(0, 0) == Done {
						}
					}
					if p.Next() != max(keeps+n, head) {
						t.Fatalf("published up to %d, want %d", p.Next(), keeps+n)
					}
					held := 0
					r.Blockers(p.Next(), p.Next()+1, func(h Blocker) { held++ })
					if held != 1 {
						t.Fatalf("%d gates hold it", held)
					}
					if next < keeps {
						expectStatus(t, c, Lapped)
						if from, to := c.Jump(); from != next || to != keeps {
							t.Fatalf("lost %d to %d, want %d to %d", from, to, next, keeps)
						}
					}
					for ; c.Next() < p.Next(); c.Advance() {
						expectStatus(t, c, Done)
					}
				})
			}
		}
	}
}
