//go:build linux

package bustest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"shmbus/bus"
	"shmbus/bus/bustest"
)

// t is the *testing.T of the test that an example is from.
var t *testing.T

// TestExamples runs the examples as what they are, tests.
func TestExamples(test *testing.T) {
	for name, example := range map[string]func(){"New": ExampleNew, "Expect": ExampleExpect, "StartPeer": ExampleStartPeer} {
		test.Run(name, func(test *testing.T) {
			t = test
			example()
		})
	}
}

type Quote struct {
	Symbol string
	Bid    float64
}

// quote is the code under test: it opens the bus by its name and answers each symbol with a quote.
func quote(ctx context.Context, name string) error {
	b, err := bus.Open(name)
	if err != nil {
		return err
	}
	defer b.Close()
	in, err := b.Subscribe("symbols", bus.Reliable(), bus.FromOldest())
	if err != nil {
		return err
	}
	for symbol, err := range bus.Values[string](ctx, in) {
		if err != nil {
			return err
		}
		if err := b.Publish(ctx, "quotes."+symbol, Quote{symbol, 101.5}); err != nil {
			return err
		}
	}
	return nil
}

func ExampleNew() {
	// func TestQuotes(t *testing.T) {
	b := bustest.New(t)
	out, err := b.Subscribe("quotes.>", bus.Reliable())
	if err != nil {
		t.Fatal(err)
	}
	go quote(t.Context(), b.Name())
	if err := b.Publish(t.Context(), "symbols", "SAP"); err != nil {
		t.Fatal(err)
	}
	bustest.Expect(t, out, Quote{"SAP", 101.5})
}

func ExampleExpect() {
	b := bustest.New(t, bus.WithSlots(8))
	s, err := b.Subscribe("n.>")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 11 {
		if err := b.Publish(t.Context(), "n.all", i); err != nil {
			t.Fatal(err)
		}
	}
	// The subscription is not reliable: it has lost the first three.
	bustest.Expect(t, s, bus.ErrLost, 3, 4, bustest.Message{Topic: "n.all", Value: 5})
	if rest := bustest.Drain(t, s); len(rest) != 5 {
		t.Errorf("%d messages are left, not 5", len(rest))
	}
}

func ExampleStartPeer() {
	b := bustest.New(t, bus.WithSlots(8))
	p, err := b.Publisher("orders", bus.NoWait())
	if err != nil {
		t.Fatal(err)
	}
	peer := bustest.StartPeer(t, b, "orders", 0)
	peer.Stop()
	var full *bus.FullError
	for err = nil; err == nil; {
		err = p.Publish(t.Context(), 1)
	}
	if !errors.As(err, &full) || full.Pid != peer.Pid() {
		t.Errorf("a full ring is to say that the stopped peer, %d, has not read it: %v", peer.Pid(), err)
	}
	peer.Kill()
	for end := time.Now().Add(10 * time.Second); p.Publish(t.Context(), 1) != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("publishers still wait for the dead")
		}
	}
}
