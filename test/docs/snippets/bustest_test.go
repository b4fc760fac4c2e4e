package snippets

import (
	"context"
	"testing"
	"time"

	"shmbus/bus"
	"shmbus/bus/bustest"
)

// convert stands for the code under test: it opens the bus by its name.
func convert(ctx context.Context, name string) error {
	b, err := bus.Open(name)
	if err != nil {
		return err
	}
	defer b.Close()
	return b.Publish(ctx, "eu.SAP", Quote{101.5, 101.6})
}

func TestConvert(t *testing.T) {
	b := bustest.New(t) // a real bus with a folder of its own, removed when the test ends
	s, err := b.Subscribe("eu.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := convert(t.Context(), b.Name()); err != nil {
		t.Fatal(err)
	}
	bustest.Expect(t, s, Quote{101.5, 101.6})
}

func TestPublisherIsNotHeld(t *testing.T) {
	b := bustest.New(t, bus.WithSlots(8))
	slow := bustest.StartPeer(t, b, "eu.>", 50*time.Millisecond) // another process, evicted after that time
	slow.Stop()
	for i := range 20 {
		if err := b.Publish(t.Context(), "eu.SAP", i); err != nil {
			t.Fatal(err)
		}
	}
}
