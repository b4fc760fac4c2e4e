package bus_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"shmbus/bus"
)

// private gives the example a folder of its own; a program uses the default one.
func private() (done func()) {
	dir, err := os.MkdirTemp("", "shmbus")
	if err != nil {
		log.Fatal(err)
	}
	os.Setenv("SHMBUS_DIR", dir)
	return func() { os.RemoveAll(dir) }
}

type Quote struct {
	Symbol   string  `msgpack:"s"`
	Bid, Ask float64 `msgpack:",omitempty"`
}

func Example() {
	defer private()()
	b, err := bus.Create("prices")
	if err != nil {
		log.Fatal(err)
	}
	defer bus.Remove("prices")
	defer b.Close()

	s, err := b.Subscribe("eu.>", bus.Reliable())
	if err != nil {
		log.Fatal(err)
	}
	p, err := b.Publisher("eu.equities.SAP")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := p.Publish(ctx, Quote{"SAP", 101.5, 101.6}); err != nil {
		log.Fatal(err)
	}
	m, err := s.Next(ctx)
	if err != nil {
		log.Fatal(err)
	}
	var q Quote
	if err := m.Decode(&q); err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Position, m.Topic, q)
	// Output: 0 eu.equities.SAP {SAP 101.5 101.6}
}

func ExampleSubscription_All() {
	defer private()()
	b, err := bus.Create("numbers", bus.WithSlots(8))
	if err != nil {
		log.Fatal(err)
	}
	defer bus.Remove("numbers")
	defer b.Close()
	s, _ := b.Subscribe("n")
	p, _ := b.Publisher("n")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for i := range 10 {
		p.Publish(ctx, i)
	}
	for m, err := range s.All(ctx) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		var i int
		m.Decode(&i)
		fmt.Println(i)
		if i == 4 {
			cancel()
		}
	}
	// Output:
	// lost 2 positions between 0 and 2: they were overwritten before they were read
	// 2
	// 3
	// 4
}

func ExamplePublisher_Reserve() {
	defer private()()
	b, err := bus.Create("frames")
	if err != nil {
		log.Fatal(err)
	}
	defer bus.Remove("frames")
	defer b.Close()
	s, _ := b.Subscribe("camera")
	p, _ := b.Publisher("camera")
	ctx := context.Background()

	r, err := p.Reserve(3)
	if err != nil {
		log.Fatal(err)
	}
	copy(r.Bytes(), []byte{0x92, 1, 2}) // a msgpack array of two, written into the segment
	if err := r.Commit(ctx); err != nil {
		log.Fatal(err)
	}
	s.Read(ctx, func(v bus.View) error {
		fmt.Printf("%s: % x\n", v.Topic, v.Raw)
		return nil
	})
	// Output: camera: 92 01 02
}

func ExampleReceive() {
	defer private()()
	b, err := bus.Create("typed")
	if err != nil {
		log.Fatal(err)
	}
	defer bus.Remove("typed")
	defer b.Close()
	s, _ := b.Subscribe("q")
	p, _ := b.Publisher("q")
	ctx := context.Background()
	bus.Publish(ctx, p, Quote{Symbol: "BMW", Bid: 80})
	q, m, err := bus.Receive[Quote](ctx, s)
	fmt.Println(q.Symbol, q.Bid, m.Size(), err)
	// Output: BMW 80 20 <nil>
}
