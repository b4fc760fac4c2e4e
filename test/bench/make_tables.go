package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"shmbus/test/bench/host"
	"shmbus/test/bench/tables"
)

type tablesOptions struct {
	only   string
	full   bool
	rounds int
	about  time.Duration
	json   string
	cpus   string
}

func runTables(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	var o tablesOptions
	fs := flag.NewFlagSet("tables", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.only, "only", "", "`NAME,…` of the tables to make (default all): "+strings.Join(tableNames(), ", "))
	fs.BoolVar(&o.full, "full", false, "more sizes and cases")
	fs.IntVar(&o.rounds, "rounds", 0, "rounds to keep (default 7, with --full 15)")
	fs.DurationVar(&o.about, "run", 0, "how long a run takes (default 100ms, with --full 200ms)")
	fs.StringVar(&o.json, "json", "", "`FILE` to write the results to")
	fs.StringVar(&o.cpus, "cpus", "", "`A,B`: processors of the sender and the receiver (default the first two)")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if o.rounds == 0 {
		o.rounds = map[bool]int{false: 7, true: 15}[o.full]
	}
	if o.about == 0 {
		o.about = map[bool]time.Duration{false: 100 * time.Millisecond, true: 200 * time.Millisecond}[o.full]
	}
	chosen, err := choose(o.only)
	if err != nil {
		return err
	}
	h, err := newHost(o.cpus)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	b := &tables.Bench{Host: h, Rounds: o.rounds, Run: o.about, Full: o.full, Idle: o.idle(), Busd: findBusd(), Log: io.Discard}
	if o.full {
		b.Log = stderr
	}
	return makeTables(ctx, b, chosen, o.json, stdout)
}

// idle is how long it is watched who does nothing.
func (o tablesOptions) idle() time.Duration {
	if o.full {
		return 10 * time.Second
	}
	return 5 * time.Second
}

// findBusd returns the daemon that was built beside this program, or that of the system, or none.
func findBusd() string {
	if self, err := os.Executable(); err == nil {
		if path, err := exec.LookPath(filepath.Join(filepath.Dir(self), "busd")); err == nil {
			return path
		}
	}
	path, _ := exec.LookPath("busd")
	return path
}

func tableNames() []string {
	var names []string
	for _, t := range tables.All() {
		names = append(names, t.Name)
	}
	return names
}

func choose(only string) ([]tables.Table, error) {
	if only == "" {
		return tables.All(), nil
	}
	var chosen []tables.Table
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(tables.All(), func(t tables.Table) bool { return t.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("--only %s: there are %s", name, strings.Join(tableNames(), ", "))
		}
		chosen = append(chosen, tables.All()[i])
	}
	return chosen, nil
}

// A result is a table in the result file.
type result struct {
	Name  string       `json:"name"`
	Title string       `json:"title"`
	Rows  []tables.Row `json:"rows"`
}

// results is the result file.
type results struct {
	Taken  time.Time    `json:"taken"`
	Took   string       `json:"took"`
	Host   host.Machine `json:"host"`
	Load   host.Load    `json:"load"` // before anything was measured
	Rounds int          `json:"rounds"`
	Run    string       `json:"run"`
	Tables []result     `json:"tables"`
}

// loadFor is how long it is looked at what else the machine does.
const loadFor = 500 * time.Millisecond

// printLoad says what the machine does before anything is measured.
func printLoad(ctx context.Context, w io.Writer) (host.Load, error) {
	load, err := host.FindLoad(ctx, loadFor)
	if err != nil {
		return load, err
	}
	fmt.Fprintf(w, "Before the start: %s.\n", load)
	if warning := load.Warning(); warning != "" {
		fmt.Fprintln(w, warning)
	}
	return load, nil
}

// makeTables makes and prints the tables. A case that fails does not keep the others from being
// made, but is an error in the end. One that is noisy is none.
func makeTables(ctx context.Context, b *tables.Bench, chosen []tables.Table, file string, stdout io.Writer) error {
	machine := host.ThisMachine()
	all := results{Taken: time.Now().UTC(), Host: machine, Rounds: b.Rounds, Run: b.Run.String()}
	fmt.Fprintf(stdout, "%s\n", machine)
	var err error
	if all.Load, err = printLoad(ctx, stdout); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Processors %v. Ratios are medians of %d rounds, lowest and highest in brackets, in which all take turns of about %v.\n", b.Host.CPUs[:2], b.Rounds, b.Run)
	fmt.Fprintf(stdout, "Class: how far apart the processors are, by a cache line's round trip: close < 150 ns, near < 300 ns, far. Noise: of shmbus's own figure.\n")
	var errs []error
	for _, t := range chosen {
		var rows []tables.Row
		err := t.Rows(ctx, b, func(r tables.Row) { rows = append(rows, r) })
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		tables.Print(stdout, t, rows)
		all.Tables = append(all.Tables, result{t.Name, t.Title, rows})
		if err != nil {
			errs = append(errs, fmt.Errorf("table %s: %w", t.Name, err))
		}
	}
	took := time.Since(all.Taken).Round(time.Second)
	all.Took = took.String()
	fmt.Fprintf(stdout, "\nThis took %v.\n", took)
	if file != "" {
		b, err := json.MarshalIndent(all, "", "  ")
		if err == nil {
			err = os.WriteFile(file, append(b, '\n'), 0o644)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
