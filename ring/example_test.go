package ring_test

import (
	"fmt"

	"shmbus/layout"
	"shmbus/ring"
)

var small = layout.Geometry{
	Slots: 8, SlotSize: 64, Owned: 2, Publishers: 2, Subscribers: 64, Clients: 2, Topics: 1, MaxFrame: 48,
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// send publishes a text. It waits for reliable readers.
func send(p *ring.Publisher, text string) {
	p.Fill(0, []byte(text))
	info := layout.MakeFrameInfo(len(text), layout.FlagWhole, uint16(p.Index()), 0)
	for p.Exchange(info, 0) == ring.Limit {
		p.Rescan()
	}
}

func Example() {
	r := must(ring.NewHeap(small))
	c := r.Reader(ring.FromNow())
	p := must(r.Publisher(0))
	q := must(r.Publisher(1))
	send(p, "one")
	send(q, "two")
	send(p, "three")

	buf := make([]byte, r.Layout().Geometry.SlotPayload())
	for {
		e, st := c.Peek()
		if st != ring.Done {
			break
		}
		info, n, st := c.Read(e, buf)
		if st != ring.Done {
			break
		}
		fmt.Printf("%d: %s from publisher %d\n", c.Next(), buf[:n], info.Publisher())
		c.Advance()
	}
	// Output:
	// 0: one from publisher 0
	// 1: two from publisher 1
	// 2: three from publisher 0
}

// A publisher may find the ring full. The slot keeps its contents until there is room.
func ExamplePublisher_Exchange() {
	r := must(ring.NewHeap(small))
	c := r.Join(0, ring.FromNow(), true)
	p := must(r.Publisher(0))

	for i := range 10 {
		p.FillWord(0, uint64(i))
		for p.Exchange(layout.MakeFrameInfo(8, layout.FlagWhole, 0, 0), 0) == ring.Limit {
			subscriber, position := p.Rescan()
			if subscriber < 0 {
				continue // there is room
			}
			fmt.Printf("message %d waits for subscriber %d at %d\n", i, subscriber, position)
			c.Advance() // in this example the publisher reads as well
		}
	}
	fmt.Println(p.Next(), "published")
	// Output:
	// message 8 waits for subscriber 0 at 0
	// message 9 waits for subscriber 0 at 1
	// 10 published
}

// A frame can be built in the slot from which it is published.
func ExamplePublisher_Payload() {
	r := must(ring.NewHeap(small))
	c := r.Reader(ring.FromNow())
	p := must(r.Publisher(0))

	b := fmt.Appendf(p.Payload()[:0], "%d bottles", 99)
	p.CommitPayload(b)
	p.Rescan()
	p.Exchange(layout.MakeFrameInfo(len(b), layout.FlagWhole, 0, 0), 0)

	e, _ := c.Peek()
	buf := make([]byte, 48)
	_, n, _ := c.Read(e, buf)
	fmt.Printf("%s\n", buf[:n])
	// Output:
	// 99 bottles
}

// A message can be read in place, without a copy. What was read may be used only if Valid returns
// Done afterwards.
func ExampleCursor_View() {
	r := must(ring.NewHeap(small))
	c := r.Reader(ring.FromNow())
	send(must(r.Publisher(0)), "not copied")

	e, st := c.Peek()
	if st != ring.Done {
		return
	}
	info, payload, st := c.View(e)
	if st != ring.Done {
		return
	}
	spaces := 0
	for _, b := range payload {
		if b == ' ' {
			spaces++
		}
	}
	if c.Valid(e, info) == ring.Done {
		fmt.Println(spaces, "space")
		c.Advance()
	}
	// Output:
	// 1 space
}

// A reader that is too slow learns which messages it has lost.
func ExampleCursor_Jump() {
	r := must(ring.NewHeap(small))
	c := r.Reader(ring.FromNow())
	p := must(r.Publisher(0))
	for i := range 20 {
		send(p, fmt.Sprint("message ", i))
	}

	if _, st := c.Peek(); st == ring.Lapped {
		from, to := c.Jump()
		fmt.Printf("lost %d messages, %d to %d\n", to-from, from, to-1)
	}
	e, _ := c.Peek()
	buf := make([]byte, 48)
	_, n, _ := c.Read(e, buf)
	fmt.Printf("%s\n", buf[:n])
	// Output:
	// lost 12 messages, 0 to 11
	// message 12
}

// A publisher that has waited too long for a reliable reader opens its gate. If the gate has
// changed since it was loaded, nothing happens.
func ExampleRing_OpenGate() {
	r := must(ring.NewHeap(small))
	r.Join(5, ring.FromNow(), true)
	seen := r.Gate(5)

	fmt.Println(r.OpenGate(5, seen, layout.GateEvicted))
	r.Join(5, ring.FromNow(), true) // the record's next owner
	fmt.Println(r.OpenGate(5, seen, layout.GateEvicted))
	// Output:
	// true
	// false
}

func ExampleRing_Audit() {
	r := must(ring.NewHeap(small))
	send(must(r.Publisher(0)), "hello")
	b := r.Audit()
	fmt.Println(b.Ring, "in the ring,", b.Owned, "owned, balanced:", b.Balanced())
	// Output:
	// 8 in the ring, 4 owned, balanced: true
}
