package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
	"shmbus/cmd/internal/codec"
)

// options holds the values of the command line.
type options struct {
	bus         string
	topic       string
	messages    []string // nil: standard input
	format      codec.Format
	numbers     codec.Numbers
	whole       bool
	onError     onError
	create      bool
	wait        time.Duration
	subscribers int
	noWait      bool
	timeout     time.Duration
	rate        float64
	stamp       bool
	stats       bool
}

// onError says what to do about a message that cannot be published. It is a pflag.Value.
type onError string

const (
	stop onError = "stop"
	skip onError = "skip"
)

func (e *onError) String() string { return string(*e) }
func (e *onError) Type() string   { return "stop|skip" }

func (e *onError) Set(s string) error {
	if !slices.Contains([]onError{stop, skip}, onError(s)) {
		return fmt.Errorf("%q is neither stop nor skip", s)
	}
	*e = onError(s)
	return nil
}

const long = `Publishes each MESSAGE, or without one each line of standard input, on TOPIC. With --whole all of
standard input is one message: a file, or JSON over several lines.

Exit codes: 0 all was published, 1 failed or something was skipped, 2 wrong usage, 3 timed out,
130 and 143 ended by SIGINT and SIGTERM before the end of the input.`

const example = `  buspub -b prices eu.SAP '{"bid":101.5,"ask":101.6}'
  tail -F access.log | buspub -b logs web.access --format text
  buspub -b prices eu.SAP --wait 10s --subscribers 1 < quotes.jsonl
  buspub -b files logo --format raw --whole < logo.png`

func newCommand(do func(cmd *cobra.Command, o options) error) *cobra.Command {
	o := options{onError: stop}
	cmd := &cobra.Command{
		Use:           "buspub [flags] TOPIC [MESSAGE…]",
		Short:         "Publish messages on a bus",
		Long:          long,
		Example:       example,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd, args); err != nil {
				return err
			}
			return do(cmd, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&o.bus, "bus", "b", "", "`NAME` of the bus (default: $"+cli.EnvBus+")")
	f.VarP(&o.format, "format", "f", "what a line is: "+strings.Join(codec.Names(), ", "))
	f.BoolVar(&o.whole, "whole", false, "all of standard input is one message, not a message a line")
	f.Var(&o.numbers, "numbers", "a JSON number that 64 bits do not hold: nearest publishes the "+
		"nearest float64, error refuses it, exact keeps its text, also that of 1.50")
	f.Var(&o.onError, "on-error", "what to do about a message that cannot be published")
	f.BoolVar(&o.create, "create", false, "create the bus, with default sizes, if it does not exist")
	f.DurationVar(&o.wait, "wait", 0, "longest wait for the bus to exist")
	f.IntVar(&o.subscribers, "subscribers", 0, "wait until this number of subscriptions want the topic")
	f.BoolVar(&o.noWait, "no-wait", false, "full ring: fail instead of waiting for reliable subscribers")
	f.DurationVar(&o.timeout, "timeout", 0, "longest wait for room in the ring, or for "+
		"--subscribers; then exit with code 3 (0: wait for ever)")
	f.Float64Var(&o.rate, "rate", 0, "most messages to publish a second (0: no limit)")
	f.BoolVar(&o.stamp, "time", false, "stamp each message with the time of its publication")
	f.BoolVar(&o.stats, "stats", false, "at the end report messages, bytes, time and rate on stderr")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if strings.HasPrefix(err.Error(), "unknown") {
			return cli.Usagef("%w; put -- before a message that begins with -; see buspub --help", err)
		}
		return cli.Usagef("%w; see buspub --help", cli.FlagError(err))
	})
	_ = cmd.RegisterFlagCompletionFunc("bus", cli.CompleteBuses)
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(codec.Names(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("numbers", cobra.FixedCompletions(codec.NumbersNames(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("on-error", cobra.FixedCompletions([]string{string(stop), string(skip)}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (o *options) check(cmd *cobra.Command, args []string) (err error) {
	if o.bus, err = cli.BusName(o.bus); err != nil {
		return err
	}
	if err := bus.CheckName(o.bus); err != nil {
		return cli.Usagef("%w", err)
	}
	if len(args) == 0 {
		return cli.Usagef("no topic given: buspub -b NAME TOPIC [MESSAGE…]; see buspub --help")
	}
	o.topic = args[0]
	if err := bus.CheckTopic(o.topic); err != nil {
		return cli.Usagef("bus %s: %w", o.bus, err)
	}
	if len(args) > 1 {
		o.messages = args[1:]
	}
	switch {
	case o.whole && len(o.messages) > 0:
		return cli.Usagef("--whole is about standard input: leave out the MESSAGEs, or --whole")
	case cmd.Flags().Changed("numbers") && o.format != codec.JSON:
		return cli.Usagef("--numbers %v has nothing to decide with --format %v: only json has numbers", o.numbers, o.format)
	case o.create && o.wait > 0:
		return cli.Usagef("--create and --wait exclude each other: either this command creates the bus or another one does")
	case o.wait < 0 || o.timeout < 0:
		return cli.Usagef("--wait and --timeout take durations from 0 on, such as 1.5s or 200ms")
	case !(o.rate >= 0):
		return cli.Usagef("--rate %v: use a number of messages a second, or 0 for no limit", o.rate)
	case o.subscribers < 0:
		return cli.Usagef("--subscribers %d: use 0 or more", o.subscribers)
	case o.noWait && o.timeout > 0 && o.subscribers == 0:
		return cli.Usagef("--timeout has nothing to limit: --no-wait never waits for room in the ring")
	}
	return nil
}
