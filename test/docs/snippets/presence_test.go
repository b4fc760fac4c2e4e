package snippets

import (
	"context"
	"fmt"

	"shmbus/bus"
)

// presence prints which clients come and go.
func presence(ctx context.Context, b *bus.Bus, seen func(bus.ClientEvent)) error {
	return b.WatchClients(ctx, func(e bus.ClientEvent) {
		fmt.Println(e.Name, e.Kind)
		seen(e)
	})
}

func Example_presence() {
	b, done := open("prices", bus.WithClientName("watcher"))
	defer done()
	ctx, cancel := within()
	defer cancel()
	var guest *bus.Bus
	err := presence(ctx, b, func(e bus.ClientEvent) {
		switch {
		case e.Name == "watcher":
			var err error
			guest, err = bus.Open("prices", bus.WithClientName("guest"))
			check(err)
		case e.Kind == bus.Joined:
			check(guest.Close())
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
