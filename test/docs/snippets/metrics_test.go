package snippets

import (
	"fmt"

	"shmbus/bus"
)

// report prints what a monitor would export, without the right to write to the bus.
func report(name string) error {
	o, err := bus.Observe(name)
	if err != nil {
		return err
	}
	defer o.Close()
	s, err := o.Snapshot()
	if err != nil {
		return err
	}
	messages, _ := s.Published()
	fmt.Println("published", messages, "backlog", s.Backlog, "deaths", s.Deaths)
	for _, sub := range s.Subscribers {
		fmt.Println(sub.Pattern, "lag", sub.Lag, "lost", sub.Lost)
	}
	return nil
}

func Example_metrics() {
	b, done := open("prices")
	defer done()
	ctx, cancel := within()
	defer cancel()
	_, err := b.Subscribe("eu.>")
	check(err)
	check(b.Publish(ctx, "eu.SAP", 1))
	check(report("prices"))
	// Output:
	// published 1 backlog 0 deaths 0
	// eu.> lag 1 lost 0
}
