package bus_test

import (
	"context"
	"fmt"
	"log"

	"shmbus/bus"
)

// An observer receives through memory that it can not write to.
func ExampleObserver_Subscribe() {
	defer private()()
	ctx := context.Background()
	b, err := bus.Create("prices")
	if err != nil {
		log.Fatal(err)
	}
	defer bus.Remove("prices")
	defer b.Close()
	p, err := b.Publisher("eu.equities.SAP")
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Publish(ctx, "101.5"); err != nil {
		log.Fatal(err)
	}

	o, err := bus.Observe("prices")
	if err != nil {
		log.Fatal(err)
	}
	defer o.Close()
	s, err := o.Subscribe("eu.>", bus.FromOldest())
	if err != nil {
		log.Fatal(err)
	}
	price, m, err := bus.Receive[string](ctx, s)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Topic, price)
	// Output: eu.equities.SAP 101.5
}
