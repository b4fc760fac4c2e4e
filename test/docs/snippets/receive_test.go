package snippets

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"shmbus/bus"
)

// work lets n goroutines share one subscription: each message goes to one of them.
func work(ctx context.Context, s *bus.Subscription, n int, handle func(bus.Message)) {
	var workers sync.WaitGroup
	for range n {
		workers.Go(func() {
			var m bus.Message
			for s.Receive(ctx, &m) == nil {
				handle(m)
			}
		})
	}
	workers.Wait()
}

func Example_workers() {
	b, done := open("jobs")
	defer done()
	ctx, cancel := within()
	defer cancel()
	s, err := b.Subscribe("job.>", bus.Reliable())
	check(err)
	for i := range 100 {
		check(b.Publish(ctx, "job.resize", i))
	}
	var n atomic.Int32
	work(ctx, s, 4, func(bus.Message) {
		if n.Add(1) == 100 {
			cancel()
		}
	})
	fmt.Println(n.Load())
	// Output: 100
}

// fastest receives with one goroutine, without a copy of its own for each message.
func fastest(ctx context.Context, b *bus.Bus) (bytes int, err error) {
	s, err := b.Subscribe("eu.>", bus.Exclusive(), bus.FromOldest())
	if err != nil {
		return 0, err
	}
	defer s.Close()
	var m bus.Message
	for {
		if err := s.Receive(ctx, &m); err != nil {
			return bytes, err
		}
		bytes += len(m.Raw) // valid until the next call
	}
}

// tail handles the messages of a lossy subscription, and says how many it has lost in between. It
// returns when ctx ends or the subscription is closed.
func tail(ctx context.Context, s *bus.Subscription, handle func(bus.Message)) error {
	for m, err := range s.All(ctx) {
		var loss *bus.LossError
		switch {
		case errors.As(err, &loss):
			fmt.Println("lost", loss.Count, "positions")
		case err != nil:
			return err
		default:
			handle(m)
		}
	}
	return nil
}

func Example_tail() {
	b, done := open("prices", bus.WithSlots(8))
	defer done()
	ctx, cancel := within()
	defer cancel()
	s, err := b.Subscribe("eu.>")
	check(err)
	for i := range 10 {
		check(b.Publish(ctx, "eu.SAP", i))
	}
	err = tail(ctx, s, func(m bus.Message) {
		if m.Position == 9 {
			cancel()
		}
	})
	fmt.Println(err)
	_, err = fastest(ctx, b)
	fmt.Println(err)
	// Output:
	// lost 2 positions
	// <nil>
	// context canceled
}
