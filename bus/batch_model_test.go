package bus

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Publishers and subscriptions of all kinds do random things, one after the other, and a list says
// what must come of it: who does not wait for room publishes exactly what there is room for; a
// reliable subscription gets all, one of a single topic all of that; of a lossy one every position
// is delivered or lost.
func TestBatchesAgainstModel(t *testing.T) {
	const slots, payload = 64, 48
	b := newBus(t, WithSlots(slots), WithSlotSize(payload+16), WithMaxFrame(600), WithOwnedSlots(4))
	rapid.Check(t, func(rt *rapid.T) {
		ctx := soon(t)
		type message struct {
			position uint64 // of its last slot
			topic    string
			raw      []byte
			timed    bool
		}
		var log []message
		first := b.ring.Head()
		head := first
		var pubs []*Publisher
		for i, topic := range []string{"a", "b", "a", "c"} {
			opts := []PublishOption{NoWait()}
			if i == 2 {
				opts = append(opts, WithTime())
			}
			p := publisher(t, b, topic, opts...)
			defer p.Close()
			pubs = append(pubs, p)
		}
		type reader struct {
			*Subscription
			pattern string
			next    int    // in log, of what it has not had yet
			had     uint64 // slots
		}
		var all, some, lossy *reader
		for pattern, r := range map[string]**reader{">": &all, "a": &some, "*": &lossy} {
			var opts []SubscribeOption
			if pattern == ">" {
				opts = append(opts, Reliable())
			}
			*r = &reader{Subscription: subscribe(t, b, pattern, opts...), pattern: pattern}
			defer (*r).Close()
		}
		fragments := func(m message) uint64 {
			n := len(m.raw)
			if m.timed {
				n += 8
			}
			return uint64(b.seg.Map.Geometry.Fragments(n))
		}
		left := func(r *reader) (n int) {
			for _, m := range log[r.next:] {
				if r.pattern != "a" || m.topic == "a" {
					n++
				}
			}
			return n
		}
		take := func(r *reader, m Message) {
			if r == lossy {
				for r.next < len(log) && log[r.next].position < m.Position {
					r.next++
				}
			}
			for r.pattern == "a" && r.next < len(log) && log[r.next].topic != "a" {
				r.next++
			}
			if r.next == len(log) {
				rt.Fatalf("%s: a message at %d that nobody published", r.pattern, m.Position)
			}
			want := log[r.next]
			r.next++
			if m.Position != want.position || m.Topic != want.topic || !bytes.Equal(m.Raw, want.raw) || m.Time().IsZero() == want.timed {
				rt.Fatalf("%s: %+v, want %+v", r.pattern, m, want)
			}
			r.had += fragments(want)
		}
		// receive has a reader take up to n messages, of which there are so many for it, in one of
		// the ways.
		batch := make([]Message, 100)
		receive := func(t *rapid.T, r *reader, n int) {
			for n > 0 && r.Lag() > 0 { // some may be lost
				k, err := 1, error(nil)
				switch way := rapid.SampledFrom([]string{"Next", "TryNext", "Read", "ReceiveBatch"}).Draw(t, "way"); way {
				case "Next":
					batch[0], err = r.Next(ctx)
				case "TryNext":
					batch[0], err = r.TryNext()
				case "Read":
					err = r.Read(ctx, func(v View) error { batch[0] = v.Clone(); return nil })
				case "ReceiveBatch":
					k, err = r.ReceiveBatch(ctx, batch[:rapid.IntRange(1, n).Draw(t, "size")])
				}
				var loss *LossError
				if r == lossy && errors.As(err, &loss) {
					r.had += loss.Count
					return
				}
				if err != nil {
					t.Fatalf("%s: %v", r.pattern, err)
				}
				for _, m := range batch[:k] {
					take(r, m)
				}
				n -= k
			}
			if n > 0 && r != lossy {
				t.Fatalf("%s: %d messages are missing", r.pattern, n)
			}
		}
		publish := func(t *rapid.T, p *Publisher, sizes []int) {
			var frames [][]byte
			var want []message
			at, floor, full := head, all.cur.Next(), false
			for i, n := range sizes {
				f := contents(n, i)
				frames = append(frames, f)
				m := message{topic: p.topic, raw: f, timed: p.stamp}
				if need := fragments(m); !full && at+need <= floor+slots {
					at += need
					m.position = at - 1
					want = append(want, m)
				} else {
					full = true
				}
			}
			n, err := p.PublishBatch(ctx, frames)
			if n != len(want) || full != errors.Is(err, ErrFull) || !full && err != nil {
				t.Fatalf("%d of %d published: %v; want %d, head %d, the slowest at %d", n, len(sizes), err, len(want), head, floor)
			}
			log, head = append(log, want...), at
		}
		size := rapid.OneOf(rapid.IntRange(1, payload), rapid.SampledFrom([]int{8, payload - 8, payload, payload + 1, 100, 300, 600}))
		rt.Repeat(map[string]func(*rapid.T){
			"publish": func(t *rapid.T) {
				p := pubs[rapid.IntRange(0, len(pubs)-1).Draw(t, "publisher")]
				publish(t, p, rapid.SliceOfN(size, 0, 20).Draw(t, "sizes"))
				receive(t, some, left(some)) // before it can be lapped
				if _, err := some.TryNext(); !errors.Is(err, ErrEmpty) {
					t.Fatal(err)
				}
			},
			"all": func(t *rapid.T) { receive(t, all, rapid.IntRange(0, left(all)).Draw(t, "n")) },
			"lossy": func(t *rapid.T) {
				if n := left(lossy); n > 0 {
					receive(t, lossy, rapid.IntRange(0, n).Draw(t, "n"))
				}
			},
			"": func(t *rapid.T) {
				if h := b.ring.Head(); h != head {
					t.Fatalf("head %d, want %d", h, head)
				}
				for _, r := range []*reader{all, some} {
					if s := r.Stats(); s.Lost > 0 {
						t.Fatalf("%s: %+v", r.pattern, s)
					}
				}
			},
		})
		receive(rt, all, left(all))
		for _, p := range pubs { // whatever is broken comes to its end
			publish(rt, p, []int{1})
			receive(rt, all, left(all))
		}
		receive(rt, some, left(some))
		for lossy.Lag() > 0 {
			receive(rt, lossy, 1)
		}
		for _, r := range []*reader{all, lossy} {
			if r.had != head-first {
				rt.Fatalf("%s: %d positions of %d are accounted for", r.pattern, r.had, head-first)
			}
		}
	})
	books := b.ring.Audit()
	require.True(t, books.Balanced(), fmt.Sprintf("%+v", books))
}
