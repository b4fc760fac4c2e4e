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

func ExamplePublisher_PublishBatch() {
	defer private()()
	b, err := bus.Create("readings")
	if err != nil {
		log.Fatal(err)
	}
	defer bus.Remove("readings")
	defer b.Close()
	s, _ := b.Subscribe("sensor.7", bus.Reliable())
	p, _ := b.Publisher("sensor.7")
	ctx := context.Background()

	// Each frame is a message of its own: here small msgpack integers, which take one byte.
	n, err := p.PublishBatch(ctx, [][]byte{{20}, {21}, {23}})
	fmt.Println(n, err)
	for range n {
		m, _ := s.Next(ctx)
		var celsius int
		m.Decode(&celsius)
		fmt.Println(m.Position, celsius)
	}
	// Output:
	// 3 <nil>
	// 0 20
	// 1 21
	// 2 23
}

func ExampleSubscription_ReceiveBatch() {
	defer private()()
	b, err := bus.Create("log")
	if err != nil {
		log.Fatal(err)
	}
	defer bus.Remove("log")
	defer b.Close()
	s, _ := b.Subscribe("log.>", bus.Reliable())
	ctx := context.Background()
	for i, topic := range []string{"log.web", "log.web", "log.db", "log.web", "log.db"} {
		p, _ := b.Publisher(topic)
		p.Publish(ctx, i)
		p.Close()
	}

	messages := make([]bus.Message, 3) // for the next calls, too
	for range 2 {
		n, err := s.ReceiveBatch(ctx, messages)
		if err != nil {
			log.Fatal(err) // or, where it is a *bus.LossError, go on
		}
		fmt.Println(n, "at once")
		for _, m := range messages[:n] {
			var i int
			m.Decode(&i)
			fmt.Println(m.Topic, i)
		}
	}
	// Output:
	// 3 at once
	// log.web 0
	// log.web 1
	// log.db 2
	// 2 at once
	// log.web 3
	// log.db 4
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
	p.Publish(ctx, Quote{Symbol: "BMW", Bid: 80})
	q, m, err := bus.Receive[Quote](ctx, s)
	fmt.Println(q.Symbol, q.Bid, m.Size(), err)
	// Output: BMW 80 20 <nil>
}

func ExampleMessages() {
	defer private()()
	b, err := bus.Create("prices")
	if err != nil {
		log.Fatal(err)
	}
	defer bus.Remove("prices")
	defer b.Close()
	s, err := b.Subscribe("eu.>")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := b.Publish(ctx, "eu.equities.SAP", Quote{"SAP", 101.5, 101.6}); err != nil {
		log.Fatal(err)
	}
	if err := b.Publish(ctx, "eu.equities.SAP", map[string]any{"s": "SAP", "Bid": "dear"}); err != nil {
		log.Fatal(err)
	}
	for m, err := range bus.Messages[Quote](ctx, s) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(m.Topic, m.Position, m.Value.Bid)
	}
	// Output:
	// eu.equities.SAP 0 101.5
	// decode message 1 on topic "eu.equities.SAP": Bid: the string "dear" does not fit float64
}
