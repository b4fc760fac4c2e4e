package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"time"

	"shmbus/test/bench/host"
	"shmbus/test/bench/tables"
	"shmbus/test/bench/worker"
)

type pairOptions struct {
	a, b   string
	role   string
	rounds int
	n      string
	about  time.Duration
	cpus   string
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

func runPair(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	var o pairOptions
	fs := flag.NewFlagSet("pair", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.a, "a", "shmbus:size=48", "`CONTENDER:key=value,…`")
	fs.StringVar(&o.b, "b", "native/ring:size=48", "`CONTENDER:key=value,…`")
	fs.StringVar(&o.role, "role", "throughput", "throughput, roundtrip, or wake (only the bus has it)")
	fs.IntVar(&o.rounds, "rounds", 9, "rounds to keep")
	fs.StringVar(&o.n, "n", "auto", "messages or round trips of a run, auto for as many as take about --run")
	fs.DurationVar(&o.about, "run", 150*time.Millisecond, "how long a run takes with --n auto")
	fs.StringVar(&o.cpus, "cpus", "", "`A,B`: processors of the sender and the receiver (default the first two)")
	if err := fs.Parse(args); err != nil {
		return err
	}
	h, err := newHost(o.cpus)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	return pair(ctx, h, o, stdout)
}

func pair(ctx context.Context, h *host.Host, o pairOptions, stdout io.Writer) (err error) {
	role, ok := roles[o.role]
	if !ok {
		return fmt.Errorf("--role %s: throughput, roundtrip or wake is needed", o.role)
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
	rounds, thrown, err := h.Contest(ctx, entrants, o.rounds, func(r host.Round) { printRound(stdout, r, role) })
	if err != nil {
		return err
	}
	for class, rounds := range host.ByClass(rounds) {
		ratio, err := host.Ratio(rounds, 0, 1, role.main)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s: A/B %.3f (%.3f to %.3f), median of %d;", class, ratio.Median, ratio.Min, ratio.Max, ratio.N)
		for i := range entrants {
			if x, err := host.Absolute(rounds, i, role.main); err == nil {
				fmt.Fprintf(stdout, " %c %s", 'A'+i, tables.Quantity(x.Median, role.main.Unit))
			}
		}
		fmt.Fprintln(stdout)
	}
	if thrown > 0 {
		fmt.Fprintf(stdout, "%d rounds thrown out: the probes around them differ in class\n", thrown)
	}
	return nil
}

func printRound(w io.Writer, r host.Round, role role) {
	class := r.Class
	if class == "" {
		class = "thrown"
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
	fmt.Fprintf(w, "  A/B %.3f\n", both[0]/both[1])
}
