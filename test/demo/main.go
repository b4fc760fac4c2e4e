//go:build linux

// Command demo shows a bus at work: a daemon, publishers of this machine's own statistics, real
// files through buspub and bussub, subscribers fast, slow and asleep, each a process of its own;
// and what happens when some of them are killed or stopped.
//
//	demo [-duration 12s] [-plain]
//
// It needs busd, buspub and bussub in its own folder. On a terminal it draws a live view, elsewhere
// it prints a line every other second; at the end, a summary. It ends by itself, or with SIGINT or
// SIGTERM, and leaves nothing behind. A demo that was killed with SIGKILL takes its processes with
// it, and busd doctor finds what is left of its bus.
//
// Exit codes: 0 done, also after a signal or when nobody reads standard output any more; 1
// something failed; 2 wrong usage.
//
// The processes of the demo are started as "demo publish SOURCE" and "demo subscribe NAME …".
// Programs to copy are in the folder examples: each of them does one thing, and does not keep
// accounts of it as these do.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	var err error
	switch args := os.Args[1:]; {
	case len(args) > 0 && args[0] == rolePublish:
		err = publish(args[1:], os.Stdin)
	case len(args) > 0 && args[0] == roleSubscribe:
		err = subscribe(args[1:], os.Stdin, os.Stdout)
	default:
		err = run(args, os.Stdout, os.Stderr)
	}
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	case errors.As(err, new(usageError)):
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		os.Exit(2)
	default:
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		os.Exit(1)
	}
}

type usageError struct{ error }

// options is the command line.
type options struct {
	duration time.Duration
	plain    bool
}

const (
	minDuration = 2 * time.Second
	maxDuration = 24 * time.Hour
)

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.DurationVar(&o.duration, "duration", 12*time.Second, "how long the processes work")
	fs.BoolVar(&o.plain, "plain", false, "print lines, also on a terminal")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, usageError{err}
	}
	switch {
	case fs.NArg() > 0:
		return o, usageError{fmt.Errorf("unexpected argument %q", fs.Arg(0))}
	case o.duration < minDuration || o.duration > maxDuration:
		return o, usageError{fmt.Errorf("-duration %v: use %v or more", o.duration, minDuration)}
	}
	return o, nil
}

// run is the demo itself.
func run(args []string, stdout *os.File, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	// The runtime kills a process that writes to a broken standard output, unless SIGPIPE is
	// caught. It is not ignored, because that would be inherited.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()

	d := newDemo(o, newScreen(stdout, o.plain))
	err = d.run(ctx)
	if errors.Is(err, errNobodyReads) {
		return nil
	}
	return err
}
