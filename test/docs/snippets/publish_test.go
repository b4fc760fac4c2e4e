package snippets

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shmbus/bus"
)

type Quote struct{ Bid, Ask float64 }

// publishQuote gives up when publishers have waited for a second.
func publishQuote(b *bus.Bus, q Quote) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := b.Publish(ctx, "eu.equities.SAP", q)
	var full *bus.FullError
	if errors.As(err, &full) {
		return fmt.Errorf("process %d reads too slowly: %w", full.Pid, err)
	}
	return err
}

func Example_publish() {
	b, done := open("prices")
	defer done()
	fmt.Println(publishQuote(b, Quote{101.5, 101.6}))
	// Output: <nil>
}

func Example_reserve() {
	b, done := open("camera")
	defer done()
	ctx, cancel := within()
	defer cancel()
	s, err := b.Subscribe("camera.1")
	check(err)

	p, err := b.Publisher("camera.1")
	check(err)
	r, err := p.Reserve(3)
	check(err)
	copy(r.Bytes(), []byte{0x92, 1, 2}) // msgpack: an array of 1 and 2
	check(r.Commit(ctx))

	err = s.Read(ctx, func(v bus.View) error {
		fmt.Printf("%d bytes at position %d\n", len(v.Raw), v.Position)
		return nil
	})
	check(err)
	// Output: 3 bytes at position 0
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
