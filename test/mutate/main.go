//go:build linux

// Command mutate takes protections out of a copy of this tree, one at a time, and runs the tests
// that are to notice it.
//
//	mutate [-quick] [-only WORD] [-list]
//
// The mutations are in table.go. A mutation that no test notices survives: a test is missing, or
// the protection is not needed. The exit code is 0 if each was caught, and 1 if one survived, does
// not build, or no longer applies because the code has changed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "mutate: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) (err error) {
	fs := flag.NewFlagSet("mutate", flag.ContinueOnError)
	quick := fs.Bool("quick", false, "only the mutations that are for each change")
	only := fs.String("only", "", "only the mutations whose name or file has `WORD` in it")
	list := fs.Bool("list", false, "print the mutations, and whether they apply, and end")
	root := fs.String("tree", ".", "the `FOLDER` of the module")
	timeout := fs.Duration("timeout", time.Minute, "for the tests of one mutation; tests that hang have noticed it")
	if err := fs.Parse(args); err != nil {
		return err
	}
	chosen := choose(table, *quick, *only)
	if len(chosen) == 0 {
		return fmt.Errorf("no mutation has %q in its name or file", *only)
	}
	if err := applies(*root, table); err != nil {
		return err // of all, chosen or not: so that the table is that of this code
	}
	if *list {
		for _, m := range chosen {
			fmt.Fprintf(stdout, "%s: %s\n    go test -run '%s' %s\n", m.file, m.name, m.run, m.pkg)
		}
		return nil
	}
	t, err := newTree(*root)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.remove()) }()
	return hunt(ctx, t, chosen, *timeout, stdout)
}

// choose returns the mutations that are asked for.
func choose(all []mutation, quick bool, only string) (chosen []mutation) {
	for _, m := range all {
		if (m.quick || !quick) && (strings.Contains(m.name, only) || strings.Contains(m.file, only)) {
			chosen = append(chosen, m)
		}
	}
	return chosen
}

// hunt makes the mutations one at a time, and says of each what became of it.
func hunt(ctx context.Context, t *tree, chosen []mutation, timeout time.Duration, stdout io.Writer) error {
	if err := t.sound(ctx, chosen, timeout); err != nil {
		return err
	}
	var survived, broken int
	for _, m := range chosen {
		start := time.Now()
		o, err := t.try(ctx, m, timeout)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		switch o.verdict {
		case survives:
			survived++
		case doesNotBuild:
			broken++
		}
		fmt.Fprintf(stdout, "%-8s %5.1f s  %s: %s%s\n", o.verdict, time.Since(start).Seconds(), m.file, m.name, o.by())
		if o.verdict != caught {
			fmt.Fprintf(stdout, "    go test -run '%s' %s\n%s", m.run, m.pkg, indent(o.output))
		}
	}
	fmt.Fprintf(stdout, "%d mutations, %d caught, %d survived, %d do not build\n", len(chosen), len(chosen)-survived-broken, survived, broken)
	if survived+broken > 0 {
		return errors.New("not every mutation was caught")
	}
	return nil
}

// indent returns the end of what a command wrote.
func indent(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	lines = lines[max(len(lines)-10, 0):]
	return "    " + strings.Join(lines, "\n    ") + "\n"
}
