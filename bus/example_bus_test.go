package bus_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"shmbus/bus"
)

// exampleBus makes a bus of the example's own, in a folder of its own; done removes both.
func exampleBus(name string, opts ...bus.Option) (b *bus.Bus, done func()) {
	away := private()
	b, err := bus.Create(name, opts...)
	if err != nil {
		log.Fatal(err)
	}
	return b, func() {
		b.Close()
		bus.Remove(name)
		away()
	}
}

func ExampleCreate() {
	defer private()()
	b, err := bus.Create("prices", bus.WithSlots(1024), bus.WithSlotSize(512))
	if err != nil {
		log.Fatal(err)
	}
	defer bus.Remove("prices")
	defer b.Close()
	fmt.Println(b.Name(), b.Sizes().Slots)

	_, err = bus.Create("prices")
	fmt.Println(errors.Is(err, bus.ErrExists))
	// Output:
	// prices 1024
	// true
}

func ExampleOpen() {
	_, done := exampleBus("prices")
	defer done()
	b, err := bus.Open("prices")
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	fmt.Println(b.Name())

	_, err = bus.Open("audit")
	var missing *bus.NotFoundError
	if errors.As(err, &missing) {
		fmt.Println("there are", missing.Known)
	}
	// Output:
	// prices
	// there are [prices]
}

// A program that may start before the bus is made waits for it.
func ExampleOpen_waitForBus() {
	defer private()()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err := bus.Open("prices", bus.WaitForBus(ctx))
	fmt.Println(errors.Is(err, context.DeadlineExceeded), errors.Is(err, bus.ErrNotFound))
	// Output: true true
}

func ExampleOpenOrCreate() {
	defer private()()
	for range 2 {
		b, created, err := bus.OpenOrCreate("prices")
		if err != nil {
			log.Fatal(err)
		}
		defer b.Close()
		fmt.Println(created)
	}
	bus.Remove("prices")
	// Output:
	// true
	// false
}

// Where processes share an IPC namespace, but not the folder of key files, a bus is opened by the
// key that ipcs shows.
func ExampleOpenKey() {
	b, done := exampleBus("prices")
	defer done()
	h, err := bus.OpenKey(b.Key())
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	fmt.Println(h.Name())
	// Output: prices
}

// A subscriber that goes on with the next bus of the name, each time that one is removed.
func ExampleFollow() {
	first, done := exampleBus("prices")
	defer done()
	ctx := context.Background()
	buses := 0
	err := bus.Follow(ctx, "prices", func(b *bus.Bus) error {
		s, err := b.Subscribe("eu.>", bus.FromOldest())
		if err != nil {
			return err
		}
		if buses++; buses == 1 {
			first.Close()
			bus.Remove("prices")
			second, _ := bus.Create("prices") // by somebody else, some time later
			defer second.Close()
			second.Publish(ctx, "eu.SAP", 101.5)
		}
		price, _, err := bus.Receive[float64](ctx, s)
		if err != nil {
			return err // ErrRemoved, the first time
		}
		fmt.Println(price, "of bus", buses)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: 101.5 of bus 2
}

func ExampleList() {
	_, done := exampleBus("prices")
	defer done()
	entries, err := bus.List()
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range entries {
		fmt.Println(e.Name, e.State, e.Mode)
	}
	// Output: prices live 0600
}

// After the removal each call on a handle of the bus returns ErrRemoved.
func ExampleRemove() {
	b, done := exampleBus("prices")
	defer done()
	s, err := b.Subscribe(">")
	if err != nil {
		log.Fatal(err)
	}
	if err := bus.Remove("prices"); err != nil {
		log.Fatal(err)
	}
	_, err = s.Next(context.Background())
	fmt.Println(err)
	// Output: receive ">" on bus "prices": the bus was removed
}

func ExampleRestore() {
	b, done := exampleBus("prices")
	defer done()
	entries, _ := bus.List()
	os.Remove(entries[0].Path) // a cleaner of temporary files, say
	if err := bus.Restore("prices", b.ShmID()); err != nil && !errors.Is(err, bus.ErrExists) {
		log.Fatal(err) // ErrExists: a client that waits was faster
	}
	h, err := bus.Open("prices")
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	fmt.Println(h.UUID() == b.UUID())
	// Output: true
}

func ExampleNewSizes() {
	s, err := bus.NewSizes(bus.WithSlots(1024), bus.WithSlotSize(256), bus.WithSubscribers(100))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Subscribers, "subscribers; a message of 1000 bytes takes", s.Positions(1000), "slots")
	_, err = bus.NewSizes(bus.WithSlots(1000))
	fmt.Println(err)
	// Output:
	// 128 subscribers; a message of 1000 bytes takes 5 slots
	// impossible sizes: slots 1000 is not a power of two (try 1024)
}

// Read permission is enough to observe, and nobody sees it.
func ExampleObserve() {
	b, done := exampleBus("prices")
	defer done()
	o, err := bus.Observe("prices")
	if err != nil {
		log.Fatal(err)
	}
	defer o.Close()
	fmt.Println(o.Name(), o.UUID() == b.UUID())
	// Output: prices true
}

func ExampleObserveKey() {
	b, done := exampleBus("prices")
	defer done()
	o, err := bus.ObserveKey(b.Key())
	if err != nil {
		log.Fatal(err)
	}
	defer o.Close()
	fmt.Println(o.Name())
	// Output: prices
}

// Two snapshots tell the rates between them.
func ExampleObserver_Snapshot() {
	b, done := exampleBus("prices", bus.WithClientName("feed"))
	defer done()
	o, err := bus.Observe("prices")
	if err != nil {
		log.Fatal(err)
	}
	defer o.Close()
	before, err := o.Snapshot()
	if err != nil {
		log.Fatal(err)
	}
	b.Publish(context.Background(), "eu.SAP", 101.5)
	now, err := o.Snapshot()
	if err != nil {
		log.Fatal(err)
	}
	now.SetRates(before)
	fmt.Println(now.State, "head", now.Head, "clients", len(now.Clients), now.Clients[0].Name, now.MessageRate > 0)
	// Output: live head 1 clients 1 feed true
}

func ExampleBus_Snapshot() {
	b, done := exampleBus("prices", bus.WithSlots(8))
	defer done()
	s, _ := b.Subscribe("eu.>", bus.Reliable())
	defer s.Close()
	b.Publish(context.Background(), "eu.SAP", 101.5)
	b.Publish(context.Background(), "eu.SAP", 101.6)
	state, err := b.Snapshot()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(state.Fill, state.Backlog, state.Subscribers[0].Lag)
	// Output: 0.25 0.25 2
}

// A program that publishes when it starts waits until those are there for whom it does.
func ExampleBus_WaitForSubscribers() {
	b, done := exampleBus("jobs")
	defer done()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	err := b.WaitForSubscribers(ctx, "jobs.new", 1)
	var few *bus.SubscribersError
	if errors.As(err, &few) {
		fmt.Println(few.Have, "of", few.Want)
	}
	s, _ := b.Subscribe("jobs.>")
	defer s.Close()
	fmt.Println(b.WaitForSubscribers(context.Background(), "jobs.new", 1))
	// Output:
	// 0 of 1
	// <nil>
}

func ExampleBus_WatchClients() {
	b, done := exampleBus("prices", bus.WithClientName("watcher"))
	defer done()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var guest *bus.Bus // in another process, most likely
	err := b.WatchClients(ctx, func(e bus.ClientEvent) {
		fmt.Println(e.Name, e.Kind)
		switch {
		case e.Name == "watcher":
			guest, _ = bus.Open("prices", bus.WithClientName("guest"))
		case e.Kind == bus.Joined:
			guest.Close()
		case e.Kind == bus.Left:
			cancel()
		}
	})
	fmt.Println(err)
	// Output:
	// watcher joined
	// guest joined
	// guest left
	// context canceled
}

func ExampleBus_WatchDeaths() {
	b, done := exampleBus("prices")
	defer done()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	err := b.WatchDeaths(ctx, func(d bus.Death) {
		fmt.Println(d.Name, d.Pid, "died with", d.Publishers, "publishers")
	})
	fmt.Println(err)
	// Output: context deadline exceeded
}

// A program that watches no deaths can call Reap now and then. It need not: a client that needs a
// record takes over one of a dead client by itself.
func ExampleBus_Reap() {
	b, done := exampleBus("prices")
	defer done()
	fmt.Println(b.Reap())
	// Output: 0 <nil>
}

func ExampleBus_Evict() {
	b, done := exampleBus("prices")
	defer done()
	s, _ := b.Subscribe(">", bus.Reliable())
	n, err := b.Evict(os.Getpid())
	if err != nil {
		log.Fatal(err)
	}
	_, err = s.Next(context.Background())
	fmt.Println(n, errors.Is(err, bus.ErrEvicted))
	// Output: 1 true
}
