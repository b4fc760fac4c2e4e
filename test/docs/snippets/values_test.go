package snippets

import (
	"fmt"

	"shmbus/bus"
)

type Leg struct{ Handle uintptr }

type Order struct{ Legs []Leg }

type Level struct {
	Size int8 `msgpack:"size"`
}

type Book struct {
	Levels []Level `msgpack:"levels"`
}

// What docs/values.md shows of errors.
func Example_values() {
	b, done := open("shop")
	defer done()
	ctx, cancel := within()
	defer cancel()
	fmt.Println(b.Publish(ctx, "orders", Order{Legs: make([]Leg, 2)}))

	s, err := b.Subscribe("eu.SAP")
	check(err)
	check(b.Publish(ctx, "eu.SAP", nil))
	check(b.Publish(ctx, "eu.SAP", map[string]any{"levels": []map[string]int{{"size": 1}, {"size": 300}}}))
	for range 2 {
		_, _, err = bus.Receive[Book](ctx, s)
	}
	fmt.Println(err)
	// Output:
	// publish "orders" on bus "shop": encode snippets.Order: invalid argument: Legs[0].Handle: a uintptr cannot be encoded
	// decode message 1 on topic "eu.SAP": levels[1].size: 300 does not fit int8
}
