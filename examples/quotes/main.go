// Command quotes is market data on a bus: a feed with a topic for each symbol, and any number of
// boards, each of which shows the latest quote of each symbol.
//
//	quotes feed [-bus quotes] [-rate 100000]
//	quotes board [-bus quotes] [-every 1s] [PATTERN …]
//
// The feed waits for nobody: a board that is too slow loses quotes, which newer ones have replaced
// anyway, and knows how many positions it lost.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"time"

	"shmbus/bus"
)

// A Quote is what is published. Messages have the names of the fields in them.
type Quote struct {
	Symbol   string
	Bid, Ask float64
	Number   uint64 // of the symbol's quotes, from 1
}

var symbols = []string{
	"eu.SAP", "eu.ASML", "eu.SIE", "eu.BMW", "jp.SONY", "jp.TM",
	"us.AAPL", "us.IBM", "us.KO", "us.MSFT",
}

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && ctx.Err() == nil {
		log.Fatalf("quotes: %v", err)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("quotes", flag.ContinueOnError)
	name := flags.String("bus", "quotes", "name of the bus")
	rate := flags.Int("rate", 100_000, "quotes a second of the feed")
	every := flags.Duration("every", time.Second, "how often a board is printed")
	if len(args) == 0 {
		return errors.New("feed or board?")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	// The program that comes first makes the bus.
	b, _, err := bus.OpenOrCreate(*name)
	if err != nil {
		return err
	}
	defer b.Close()
	switch args[0] {
	case "feed":
		return feed(ctx, b, *rate)
	case "board":
		return board(ctx, b, flags.Args(), *every, os.Stdout)
	}
	return fmt.Errorf("%q is neither feed nor board", args[0])
}

// feed publishes quotes that wander about, in bursts of a millisecond's.
func feed(ctx context.Context, b *bus.Bus, rate int) error {
	// This goroutine alone uses the publishers: exclusive ones are the fastest.
	var publishers []*bus.Publisher
	for _, symbol := range symbols {
		p, err := b.Publisher("quotes."+symbol, bus.Exclusive())
		if err != nil {
			return err
		}
		publishers = append(publishers, p)
	}
	quotes := make([]Quote, len(symbols))
	for i, symbol := range symbols {
		quotes[i] = Quote{Symbol: symbol, Bid: 100, Ask: 100.1}
	}
	published := 0
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		for due := int(time.Since(start).Seconds() * float64(rate)); published < due; published++ {
			i := rand.IntN(len(symbols))
			q := &quotes[i]
			q.Bid += float64(rand.IntN(3)-1) / 100
			q.Ask = q.Bid + 0.1
			q.Number++
			if err := publishers[i].Publish(ctx, q); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// board prints the latest quote of each symbol that matches the patterns, now and then.
func board(
	ctx context.Context, b *bus.Bus, patterns []string, every time.Duration, w io.Writer,
) error {
	if len(patterns) == 0 {
		patterns = []string{">"}
	}
	for i, p := range patterns {
		patterns[i] = "quotes." + p
	}
	s, err := b.Subscribe(patterns[0], bus.Also(patterns[1:]...))
	if err != nil {
		return err
	}
	defer s.Close()
	latest := map[string]Quote{}
	for {
		// Wait for one, then take what is there, but print in between if that does not end.
		m, err := s.Next(ctx)
		for end := time.Now().Add(every); !errors.Is(err, bus.ErrEmpty); m, err = s.TryNext() {
			if errors.Is(err, bus.ErrLost) {
				continue
			} else if err != nil {
				return err
			}
			var q Quote
			if err := m.Decode(&q); err != nil {
				return err // it says which message, and where in it
			}
			latest[q.Symbol] = q
			if time.Now().After(end) {
				break
			}
		}
		st := s.Stats()
		fmt.Fprintf(w, "%d quotes received, %d positions lost\n", st.Received, st.Lost)
		byName := func(a, b Quote) int { return cmp.Compare(a.Symbol, b.Symbol) }
		for _, q := range slices.SortedFunc(maps.Values(latest), byName) {
			fmt.Fprintf(w, "%-8s %8.2f %8.2f  number %d\n", q.Symbol, q.Bid, q.Ask, q.Number)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every): // the feed goes on, and may lap this board
		}
	}
}
