//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"shmbus/internal/fault"
	"shmbus/internal/leak"
	"shmbus/internal/testproc"
)

func main() {
	testproc.Play(roles)
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "chaos: %v\n", err)
		os.Exit(2)
	}
	if o.seed == 0 {
		o.seed = rand.Uint64()>>1 | 1
		// The process that leak.Main starts is to use the same.
		os.Args = append([]string{os.Args[0], "-seed", strconv.FormatUint(o.seed, 10)}, os.Args[1:]...)
	}
	leak.Main(o)
}

// options is the command line.
type options struct {
	kills       int
	duration    time.Duration
	seed        uint64
	publishers  int
	subscribers int
	slots       int
	rounds      int
	first       uint64
	rate        int
	pace        time.Duration
	busd        string
	verbose     bool
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("chaos", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.IntVar(&o.kills, "kills", 1000, "end after so many kills (0: never)")
	fs.DurationVar(&o.duration, "duration", 0, "end after this time (0: never)")
	fs.Uint64Var(&o.seed, "seed", 0, "of all choices (0: a random one)")
	fs.IntVar(&o.publishers, "publishers", 12, "how many publish at a time")
	fs.IntVar(&o.subscribers, "subscribers", 16, "how many subscribe at a time")
	fs.IntVar(&o.slots, "slots", 64, "messages that the ring holds")
	fs.IntVar(&o.rounds, "rounds", 2, "buses, one after the other")
	fs.Uint64Var(&o.first, "first", 0, "position at which the buses begin (0: before the wrap of the lap counter and of the positions in wake words, in turn)")
	fs.IntVar(&o.rate, "rate", 50_000, "messages a second that all publishers together aim at; bursts are faster")
	fs.DurationVar(&o.pace, "pace", 60*time.Millisecond, "mean time between two deeds of the scheduler")
	fs.StringVar(&o.busd, "busd", "", "busd to use (default: build it)")
	fs.BoolVar(&o.verbose, "v", false, "print each deed")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	switch {
	case fs.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case o.kills <= 0 && o.duration <= 0:
		return o, errors.New("give -kills or -duration, or it would never end")
	case o.publishers < 1 || o.subscribers < 1 || o.publishers > 24 || o.subscribers > 40:
		return o, errors.New("use 1 to 24 publishers and 1 to 40 subscribers")
	case o.slots < 16 || o.slots&(o.slots-1) != 0 || o.rounds < 1 || o.rate < 1 || o.pace <= 0:
		return o, errors.New("-slots is a power of two from 16 on; -rounds, -rate and -pace are positive")
	case o.first != 0 && !fault.Enabled:
		return o, errors.New("-first needs a build with -tags faults")
	}
	return o, nil
}

// Run is the whole run, in a namespace of its own where there is one.
func (o options) Run() int {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	fmt.Printf("chaos: seed %d\n", o.seed)
	r, err := newRun(o)
	if err != nil {
		fmt.Fprintf(os.Stderr, "chaos: %v\n", err)
		return 1
	}
	defer r.close()
	err = r.rounds(ctx)
	r.report(os.Stdout)
	switch {
	case r.verdict.failed():
		return 1
	case err != nil:
		fmt.Fprintf(os.Stderr, "chaos: %v\n", err)
		return 1
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "chaos: interrupted")
		return 1
	}
	return 0
}
