package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"shmbus/test/bench/host"
	"shmbus/test/bench/tables"
	"shmbus/test/bench/worker"
)

type pairOptions struct {
	a, b    string
	role    string
	rounds  int
	n       string
	about   time.Duration
	cpus    string
	class   string
	atLeast float64
}

// role is what two contenders are compared in.
type role struct {
	places func(*host.Host) []host.Place
	main   host.Metric
	beside []host.Metric // shown for each round
}

var roles = map[string]role{
	"throughput": {(*host.Host).Stream, host.Throughput, []host.Metric{host.CPUPerMessage("send"), host.CPUPerMessage("recv")}},
	"roundtrip":  {(*host.Host).RoundTrip, host.Median("ping"), []host.Metric{host.Quantile("ping", 99), host.CPUPerMessage("ping"), host.CPUPerMessage("pong")}},
	"wake":       {(*host.Host).WakeUp, host.WakeTime(50), []host.Metric{host.WakeTime(99)}},
}

// A claim that A is at least so many times as fast as B is shown by so many pairs or more, if the
// lower end of the interval of the median ratio is at most so much below it.
const (
	pairsNeeded = 20
	claimMargin = 0.01
)

func runPair(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	var o pairOptions
	fs := flag.NewFlagSet("pair", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.a, "a", "shmbus:size=48", "`CONTENDER:key=value,…`")
	fs.StringVar(&o.b, "b", "native/ring:size=48", "`CONTENDER:key=value,…`")
	fs.StringVar(&o.role, "role", "throughput", "throughput, roundtrip, or wake (only the bus has it)")
	fs.IntVar(&o.rounds, "rounds", pairsNeeded, "pairs of runs to keep, all in one class")
	fs.StringVar(&o.n, "n", "auto", "messages or round trips of a run, auto for as many as take about --run")
	fs.DurationVar(&o.about, "run", 150*time.Millisecond, "how long a run takes with --n auto")
	fs.StringVar(&o.cpus, "cpus", "", "`A,B`: processors of the sender and the receiver (default the first two)")
	fs.StringVar(&o.class, "class", "", "keep only pairs that were measured while the processors were close, near or far")
	fs.Float64Var(&o.atLeast, "at-least", 0, fmt.Sprintf("fail unless A is shown to be `R` times as fast as B: by at least %d pairs, with the lower end\n"+
		"of the 95 %% interval of the median ratio at or above R - %v", pairsNeeded, claimMargin))
	if err := fs.Parse(args); err != nil {
		return err
	}
	h, err := newHost(o.cpus)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	if _, err := printLoad(ctx, stdout); err != nil {
		return err
	}
	return pair(ctx, h, o, stdout)
}

func pair(ctx context.Context, h *host.Host, o pairOptions, stdout io.Writer) (err error) {
	role, ok := roles[o.role]
	if !ok {
		return fmt.Errorf("--role %s: throughput, roundtrip or wake is needed", o.role)
	}
	class := host.Class(o.class)
	if !slices.Contains([]host.Class{"", host.Close, host.Near, host.Far}, class) {
		return fmt.Errorf("--class %s: close, near or far is needed", o.class)
	}
	if o.rounds < 1 {
		return fmt.Errorf("--rounds %d: a number from 1 on is needed", o.rounds)
	}
	if o.atLeast < 0 || o.atLeast > 0 && o.rounds < pairsNeeded {
		return fmt.Errorf("--at-least %v --rounds %d: a ratio above 0, and %d rounds or more, are needed", o.atLeast, o.rounds, pairsNeeded)
	}
	var entrants []host.Entrant
	for i, text := range []string{o.a, o.b} {
		spec, err := host.ParseSpec(text)
		if err != nil {
			return err
		}
		places := role.places(h)
		if o.role == "throughput" && worker.Has(spec.Contender, "both") {
			places = h.InProcess()
		}
		e, err := h.Enter(ctx, spec, places, o.about)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, e.Close()) }()
		if o.n != "auto" {
			if e.N, err = strconv.Atoi(o.n); err != nil || e.N < 1 {
				return fmt.Errorf("--n %s: auto or a number from 1 on is needed", o.n)
			}
		}
		fmt.Fprintf(stdout, "%c = %s, %d in a run\n", 'A'+i, spec, e.N)
		entrants = append(entrants, e)
	}
	rounds, thrown, err := h.Contest(ctx, entrants, host.Rules{
		Rounds: o.rounds, Class: class, OneClass: true, Metric: role.main,
		Each: func(r host.Round) { printRound(stdout, r, role) },
	})
	var noise *host.NoiseError
	if err != nil && !errors.As(err, &noise) {
		return err
	}
	err = conclude(stdout, rounds, role.main, o.atLeast)
	if thrown > 0 {
		fmt.Fprintf(stdout, "%d rounds thrown out: the machine changed while they were measured\n", thrown)
	}
	if noise != nil {
		fmt.Fprintf(stdout, "NOISY: %s\n", noise.Why)
	}
	return err
}

// conclude prints what the rounds of each class say. It is an error if those of the class with most
// rounds do not show that A is at least so many times as fast as B, unless that is 0.
func conclude(stdout io.Writer, rounds []host.Round, m host.Metric, atLeast float64) error {
	verdict := errors.New("no pair was measured")
	judged := false
	for class, rounds := range host.ByClass(rounds) {
		c, err := compare(rounds, m)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s: %s", class, c)
		for i := range rounds[0].Turns {
			if x, err := host.Absolute(rounds, i, m); err == nil {
				fmt.Fprintf(stdout, "; %c %s", 'A'+i, tables.Quantity(x.Median, m.Unit))
			}
		}
		fmt.Fprintln(stdout)
		if !judged {
			verdict, judged = c.shows(atLeast), true
		}
	}
	switch {
	case atLeast == 0:
		return nil
	case verdict != nil:
		return fmt.Errorf("not shown that A is at least %v times as fast as B: %w", atLeast, verdict)
	}
	fmt.Fprintf(stdout, "shown: A is at least %v times as fast as B\n", atLeast)
	return nil
}

// A comparison is what pairs of one class say of two contenders.
type comparison struct {
	host.Spread               // of the figure of A to that of B in the same pair
	speed       host.Interval // of the median of how many times as fast A is as B
	known       bool          // the interval is
}

func compare(rounds []host.Round, m host.Metric) (c comparison, err error) {
	ratios, err := host.Ratios(rounds, 0, 1, m)
	if err != nil {
		return c, err
	}
	c.Spread = host.SpreadOf(ratios)
	if !m.Higher {
		for i, r := range ratios {
			ratios[i] = 1 / r
		}
	}
	c.speed, c.known = host.MedianInterval(ratios)
	return c, nil
}

func (c comparison) String() string {
	text := fmt.Sprintf("A/B %.3f (%.3f to %.3f), median of %d; ", c.Median, c.Min, c.Max, c.N)
	if !c.known {
		return text + "no 95 % interval of fewer than 6"
	}
	return text + fmt.Sprintf("A is %.3f to %.3f times as fast (95 %% interval of the median)", c.speed.Low, c.speed.High)
}

// shows returns why it is not shown that A is at least so many times as fast as B.
func (c comparison) shows(atLeast float64) error {
	switch {
	case c.N < pairsNeeded:
		return fmt.Errorf("there are %d pairs of one class, %d are needed", c.N, pairsNeeded)
	case c.speed.Low < atLeast-claimMargin:
		return fmt.Errorf("the lower end of the interval, %.3f, is below %.3f", c.speed.Low, atLeast-claimMargin)
	}
	return nil
}

func printRound(w io.Writer, r host.Round, role role) {
	class, why := string(r.Class), ""
	if r.Noise != "" {
		class, why = "thrown", ": "+r.Noise
	}
	fmt.Fprintf(w, "%-6s %4.0f ns", class, r.Probes)
	var both [2]float64
	for i, t := range r.Turns {
		x, err := role.main.Of(t)
		if err != nil {
			fmt.Fprintf(w, "  %v\n", err)
			return
		}
		both[i] = x
		fmt.Fprintf(w, "  %c %s", 'A'+i, tables.Quantity(x, role.main.Unit))
		for _, m := range role.beside {
			if y, err := m.Of(t); err == nil {
				fmt.Fprintf(w, ", %s %s", m.Name, tables.Quantity(y, m.Unit))
			}
		}
	}
	fmt.Fprintf(w, "  A/B %.3f%s\n", both[0]/both[1], why)
}
