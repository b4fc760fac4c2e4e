package bus_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"shmbus/bus"
)

// Publishing needs no Publisher: the handle keeps a few records for any number of topics.
func ExampleBus_Publish() {
	b, done := exampleBus("prices")
	defer done()
	s, _ := b.Subscribe("eu.*")
	ctx := context.Background()
	for _, topic := range []string{"eu.SAP", "eu.BMW"} {
		if err := b.Publish(ctx, topic, Quote{Symbol: topic[3:], Bid: 80}); err != nil {
			log.Fatal(err)
		}
	}
	for range 2 {
		q, m, _ := bus.Receive[Quote](ctx, s)
		fmt.Println(m.Topic, q.Bid)
	}
	// Output:
	// eu.SAP 80
	// eu.BMW 80
}

func ExampleBus_PublishRaw() {
	b, done := exampleBus("raw")
	defer done()
	s, _ := b.Subscribe("a")
	ctx := context.Background()
	if err := b.PublishRaw(ctx, "a", []byte{0x93, 1, 2, 3}); err != nil { // a msgpack array of three
		log.Fatal(err)
	}
	list, _, err := bus.Receive[[]int](ctx, s)
	fmt.Println(list, err)
	// Output: [1 2 3] <nil>
}

// A publisher waits for reliable subscribers for as long as its context says.
func ExampleBus_Publisher() {
	b, done := exampleBus("prices", bus.WithSlots(8), bus.WithClientName("reader"))
	defer done()
	s, _ := b.Subscribe("eu.>", bus.Reliable())
	defer s.Close()
	p, err := b.Publisher("eu.SAP")
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	for err == nil {
		err = p.Publish(ctx, 101.5)
	}
	var full *bus.FullError
	if errors.As(err, &full) {
		fmt.Println(full.Pattern, full.Lag, full.Self)
	}
	fmt.Println(errors.Is(err, bus.ErrFull), errors.Is(err, context.DeadlineExceeded))
	// Output:
	// eu.> 8 true
	// true true
}

func ExamplePublisher_Publish() {
	b, done := exampleBus("prices")
	defer done()
	s, _ := b.Subscribe("eu.SAP")
	p, _ := b.Publisher("eu.SAP", bus.WithTime())
	ctx := context.Background()
	if err := p.Publish(ctx, Quote{"SAP", 101.5, 101.6}); err != nil {
		log.Fatal(err)
	}
	q, m, _ := bus.Receive[Quote](ctx, s)
	fmt.Println(q.Bid, time.Since(m.Time()) < time.Hour)
	// Output: 101.5 true
}

// The fastest form: one goroutine, one frame of msgpack, no allocation.
func ExamplePublisher_PublishRaw() {
	b, done := exampleBus("ticks")
	defer done()
	s, _ := b.Subscribe("t", bus.Exclusive())
	p, _ := b.Publisher("t", bus.Exclusive())
	ctx := context.Background()
	if err := p.PublishRaw(ctx, []byte{42}); err != nil {
		log.Fatal(err)
	}
	m, _ := s.Next(ctx) // its Raw is valid until the next call on s
	fmt.Println(m.Raw)
	// Output: [42]
}

func ExampleReservation_Commit() {
	b, done := exampleBus("frames")
	defer done()
	p, _ := b.Publisher("camera")
	r, err := p.Reserve(2)
	if err != nil {
		log.Fatal(err)
	}
	copy(r.Bytes(), []byte{0x91, 7})
	if err := r.Commit(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Commit(context.Background()))
	// Output: commit "camera" on bus "frames": the bus, publisher or subscription is closed
}

// A subscriber that publishers wait for, but not for longer than a second.
func ExampleBus_Subscribe() {
	b, done := exampleBus("prices")
	defer done()
	s, err := b.Subscribe("eu.>", bus.Also("us.*"), bus.EvictAfter(time.Second), bus.Wait(bus.Block))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	b.Publish(context.Background(), "us.IBM", 250)
	m, err := s.Next(context.Background())
	fmt.Println(m.Topic, err)
	// Output: us.IBM <nil>
}

func ExampleSubscription_Next() {
	b, done := exampleBus("small", bus.WithSlots(8))
	defer done()
	s, _ := b.Subscribe("n")
	ctx := context.Background()
	for i := range 10 {
		b.Publish(ctx, "n", i)
	}
	_, err := s.Next(ctx)
	var loss *bus.LossError
	if errors.As(err, &loss) {
		fmt.Println("lost", loss.Count)
	}
	m, err := s.Next(ctx)
	fmt.Println(m.Position, err)
	// Output:
	// lost 2
	// 2 <nil>
}

// A loop with one message allocates nothing: Receive uses the room of its Raw.
func ExampleSubscription_Receive() {
	b, done := exampleBus("numbers")
	defer done()
	s, _ := b.Subscribe("n")
	ctx := context.Background()
	b.Publish(ctx, "n", 1)
	b.Publish(ctx, "n", 2)
	m := bus.Message{Raw: make([]byte, 0, 256)}
	for range 2 {
		if err := s.Receive(ctx, &m); err != nil {
			log.Fatal(err)
		}
		fmt.Println(m.Position, m.Raw)
	}
	// Output:
	// 0 [1]
	// 1 [2]
}

func ExampleSubscription_TryNext() {
	b, done := exampleBus("numbers")
	defer done()
	s, _ := b.Subscribe("n")
	_, err := s.TryNext()
	fmt.Println(err == bus.ErrEmpty)
	// Output: true
}

// What is to outlive the callback is cloned.
func ExampleSubscription_Read() {
	b, done := exampleBus("frames")
	defer done()
	s, _ := b.Subscribe("camera", bus.Reliable())
	ctx := context.Background()
	b.PublishRaw(ctx, "camera", []byte{0x92, 1, 2})
	var kept bus.Message
	err := s.Read(ctx, func(v bus.View) error {
		if v.Size() > 2 {
			kept = v.Clone()
		}
		return nil
	})
	fmt.Println(kept.Raw, err)
	// Output: [146 1 2] <nil>
}

func ExampleReceiveInto() {
	b, done := exampleBus("prices")
	defer done()
	s, _ := b.Subscribe("q")
	ctx := context.Background()
	b.Publish(ctx, "q", Quote{Symbol: "BMW", Bid: 80})
	var q Quote // used again and again
	m, err := bus.ReceiveInto(ctx, s, &q)
	fmt.Println(m.Topic, q.Symbol, err)
	// Output: q BMW <nil>
}

func ExampleValues() {
	b, done := exampleBus("numbers")
	defer done()
	s, _ := b.Subscribe("n")
	ctx := context.Background()
	for i := range 3 {
		b.Publish(ctx, "n", i)
	}
	for i, err := range bus.Values[int](ctx, s) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(i)
		if i == 2 {
			break
		}
	}
	// Output:
	// 0
	// 1
	// 2
}
