//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"shmbus/internal/testproc"
)

// A config is what a run is asked for.
type config struct {
	mutations int
	seed      uint64
	duration  time.Duration
	round     int // the only round, -1 for as many as it takes
	each      int // mutations in a round
	roles     []string
	slack     time.Duration // how late a call may be
	memory    int           // bytes that a worker may have resident
	patience  time.Duration // how long a worker may take to say what it counted
}

func defaults() config {
	return config{mutations: 20_000, seed: 1, duration: 15 * time.Minute, round: -1, each: 2000, roles: allRoles, slack: 10 * time.Second, memory: 512 << 20, patience: 30 * time.Second}
}

func main() {
	testproc.Play(plays())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c := defaults()
	flags := flag.NewFlagSet("corrupt", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&c.mutations, "mutations", c.mutations, "stop after the round in which there were so many")
	flags.Uint64Var(&c.seed, "seed", c.seed, "choose mutations by this number")
	flags.DurationVar(&c.duration, "duration", c.duration, "stop after the round in which this has passed")
	flags.IntVar(&c.round, "round", c.round, "play this round only")
	flags.IntVar(&c.each, "each", c.each, "mutations in a round")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	s, err := c.run(ctx)
	if err != nil {
		fmt.Fprintln(stderr, "corrupt:", err)
		return 2
	}
	s.write(stdout, c)
	if len(s.violations) > 0 {
		return 1
	}
	return 0
}

// run plays rounds until there were enough mutations, or the time is over.
func (c config) run(ctx context.Context) (*summary, error) {
	dir, err := os.MkdirTemp("", "shmbus-corrupt-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s := newSummary()
	pool, err := c.start(s)
	if err != nil {
		return nil, err
	}
	defer pool.end()
	start := time.Now()
	for n := max(c.round, 0); ; n++ {
		if err := c.play(ctx, n, dir, pool, s); err != nil {
			return nil, err
		}
		s.elapsed = time.Since(start)
		if c.round >= 0 || s.mutations >= c.mutations || s.elapsed >= c.duration || ctx.Err() != nil {
			return s, nil
		}
	}
}
