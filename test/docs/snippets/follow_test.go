package snippets

import (
	"context"
	"fmt"
	"os"

	"shmbus/bus"
)

// follow receives from the bus of a name for as long as ctx lasts, also after the bus was removed
// and made again.
func follow(ctx context.Context, name string, handle func(bus.Message)) error {
	return bus.Follow(ctx, name, func(b *bus.Bus) error {
		s, err := b.Subscribe("eu.>", bus.Reliable(), bus.FromOldest())
		if err != nil {
			return err
		}
		for m, err := range s.All(ctx) {
			if err != nil {
				return err // ErrRemoved: Follow waits for the next bus of the name
			}
			handle(m)
		}
		return nil
	})
}

func Example_follow() {
	b, done := open("prices")
	ctx, cancel := within()
	defer cancel()
	dir := os.Getenv("SHMBUS_DIR")
	check(b.Publish(ctx, "eu.SAP", 1))
	err := follow(ctx, "prices", func(m bus.Message) {
		fmt.Println(m.Topic, m.Position)
		if m.Topic == "eu.BMW" {
			cancel()
			return
		}
		go func() { // the bus is removed and made again
			done()
			b, err := bus.Create("prices", bus.WithDir(dir))
			check(err)
			check(b.Publish(ctx, "eu.BMW", 2))
			check(b.Close())
		}()
	})
	fmt.Println(err)
	check(bus.Remove("prices", bus.WithDir(dir)))
	os.RemoveAll(dir)
	// Output:
	// eu.SAP 0
	// eu.BMW 0
	// <nil>
}

// start publishes only when the bus exists and two subscriptions of any process want the topic.
func start(ctx context.Context) error {
	b, err := bus.Open("prices", bus.WaitForBus(ctx))
	if err != nil {
		return err
	}
	defer b.Close()
	if err := b.WaitForSubscribers(ctx, "eu.SAP", 2); err != nil {
		return err // a *SubscribersError says how many there were
	}
	return b.Publish(ctx, "eu.SAP", Quote{101.5, 101.6})
}

func Example_start() {
	b, done := open("prices")
	defer done()
	ctx, cancel := within()
	defer cancel()
	for range 2 {
		_, err := b.Subscribe("eu.*")
		check(err)
	}
	fmt.Println(start(ctx))
	// Output: <nil>
}
