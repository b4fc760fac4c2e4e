package snippets

import (
	"fmt"

	"shmbus/bus"
)

// A Cursor is where a program goes on after it was started again. Save it after each message, or
// after each batch.
type Cursor struct {
	UUID     string // of the bus: positions of another one mean something else
	Position uint64 // of the next message
}

// resume subscribes from a saved cursor, or from the oldest message where the bus is another one.
func resume(b *bus.Bus, c Cursor) (*bus.Subscription, error) {
	from := bus.FromOldest()
	if c.UUID == b.UUID() {
		from = bus.FromPosition(c.Position)
	}
	return b.Subscribe("eu.>", bus.Reliable(), from)
}

func Example_cursor() {
	b, done := open("prices")
	defer done()
	ctx, cancel := within()
	defer cancel()
	for i := range 3 {
		check(b.Publish(ctx, "eu.SAP", i))
	}
	for _, c := range []Cursor{{}, {b.UUID(), 2}} {
		s, err := resume(b, c)
		check(err)
		i, m, err := bus.Receive[int](ctx, s)
		fmt.Println(m.Position, i, err)
		check(s.Close())
	}
	// Output:
	// 0 0 <nil>
	// 2 2 <nil>
}
