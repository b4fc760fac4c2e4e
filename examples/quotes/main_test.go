package main

import (
	"strings"
	"testing"

	"example.org/examples/internal/program"

	"shmbus/bus/bustest"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// A feed and two boards: each shows all quotes that it asks for, and the newest of each.
func TestQuotes(t *testing.T) {
	b := bustest.New(t)
	all := program.Start(t, "board", "-bus", b.Name(), "-every", "50ms")
	european := program.Start(t, "board", "-bus", b.Name(), "-every", "50ms", "eu.*")
	feed := program.Start(t, "feed", "-bus", b.Name(), "-rate", "50000")
	for p, want := range map[*program.Program]int{all: len(symbols), european: 4} {
		seen := map[string]int{}
		for len(seen) < want || seen["eu.SAP"] < 3 {
			line := p.Line()
			if symbol, _, ok := strings.Cut(line, " "); ok && strings.Contains(symbol, ".") {
				seen[symbol]++
			}
		}
		if len(seen) != want {
			t.Errorf("%d symbols, not %d: %v", len(seen), want, seen)
		}
		p.Interrupt()
	}
	feed.Interrupt()
}

// The newest quote wins, also where older ones were lost on the way.
func TestLatestWins(t *testing.T) {
	b := bustest.New(t)
	board := program.Start(t, "board", "-bus", b.Name(), "-every", "1ms")
	p, err := b.Publisher("quotes.eu.SAP")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := 1; p.Publish(t.Context(), Quote{Symbol: "eu.SAP", Number: uint64(min(i, 100_000))}) == nil; i++ {
		}
	}()
	for !strings.HasSuffix(board.Line(), "number 100000") {
	}
	board.Interrupt()
}
