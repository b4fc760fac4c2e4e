package main

import (
	"fmt"
	"strconv"
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
	patterns    []string
	format      codec.Format
	meta        bool
	whole       bool
	count       uint64 // 0: no limit
	from        from
	reliable    bool
	evictAfter  time.Duration
	demoteAfter time.Duration
	failOnLoss  bool
	follow      bool
	observe     bool
	timeout     time.Duration
	wait        strategy
	stats       bool
}

// subscribe returns the options of a subscription. again says that the subscription is not the
// first.
func (o options) subscribe(again bool) []bus.SubscribeOption {
	with := []bus.SubscribeOption{bus.Exclusive(), bus.Also(o.patterns[1:]...), bus.Wait(o.wait.WaitStrategy)}
	switch {
	case o.evictAfter > 0:
		with = append(with, bus.EvictAfter(o.evictAfter))
	case o.demoteAfter > 0:
		with = append(with, bus.DemoteAfter(o.demoteAfter))
	case o.reliable:
		with = append(with, bus.Reliable())
	}
	if again {
		return append(with, bus.FromOldest())
	}
	return append(with, o.from.option())
}

// from is the position at which to start. It is a pflag.Value.
type from struct {
	word     string // "now", "oldest", or empty: position
	position uint64
}

func (f *from) Type() string { return "oldest|now|POSITION" }

func (f *from) String() string {
	if f.word == "" {
		return strconv.FormatUint(f.position, 10)
	}
	return f.word
}

func (f *from) Set(s string) error {
	if s == "now" || s == "oldest" {
		*f = from{word: s}
		return nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return fmt.Errorf("%q is neither oldest nor now nor a position (0, 1, 2, …)", s)
	}
	*f = from{position: n}
	return nil
}

func (f *from) option() bus.SubscribeOption {
	switch f.word {
	case "now":
		return bus.FromNow()
	case "oldest":
		return bus.FromOldest()
	}
	return bus.FromPosition(f.position)
}

// strategy is a bus.WaitStrategy and a pflag.Value.
type strategy struct{ bus.WaitStrategy }

var strategies = []bus.WaitStrategy{bus.Adaptive, bus.Block, bus.Yield, bus.Spin}

func (w *strategy) Type() string { return "adaptive|block|yield|spin" }

func (w *strategy) Set(s string) error {
	for _, known := range strategies {
		if s == known.String() {
			w.WaitStrategy = known
			return nil
		}
	}
	return fmt.Errorf("%q is none of %s", s, strings.ReplaceAll(w.Type(), "|", ", "))
}

const long = `Prints the messages of a bus whose topics match one of the PATTERNs (default: >, all topics), one a
line.
In a pattern * stands for one word, a last word > for all the rest.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 timed out, 130 and 143 ended by SIGINT and SIGTERM before
--count was reached.`

const example = `  bussub -b prices 'eu.>' --meta
  bussub -b logs --format text --reliable 'web.*' | gzip > web.gz
  bussub -b prices eu.SAP --count 1 --timeout 5s
  bussub -b files logo --format raw --whole --count 1 > logo.png`

func newCommand(do func(cmd *cobra.Command, o options) error) *cobra.Command {
	o := options{from: from{word: "now"}}
	cmd := &cobra.Command{
		Use:           "bussub [flags] [PATTERN…]",
		Short:         "Print the messages of a bus",
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
	f.VarP(&o.format, "format", "f", "how messages are printed: "+strings.Join(codec.Names(), ", "))
	f.BoolVarP(&o.meta, "meta", "m", false, "print topic, position, publisher and time of each message, too")
	f.BoolVar(&o.whole, "whole", false, "with text or raw: print no newline after a message, the counterpart of buspub --whole")
	f.Uint64VarP(&o.count, "count", "n", 0, "end after this number of messages (0: no limit)")
	f.Var(&o.from, "from", "the first message to print")
	f.BoolVar(&o.reliable, "reliable", false, "lose nothing: publishers wait for this command")
	f.DurationVar(&o.evictAfter, "evict-after", 0, "be reliable, but fail when publishers have waited for this time")
	f.DurationVar(&o.demoteAfter, "demote-after", 0, "be reliable, but lose messages when publishers have "+
		"waited for this time")
	f.BoolVar(&o.failOnLoss, "fail-on-loss", false, "exit with code 1 if messages were lost, with --count at once "+
		"(--reliable implies it)")
	f.BoolVar(&o.follow, "follow", false, "wait for the bus to exist, and again whenever it was removed")
	f.BoolVar(&o.observe, "observe", false, "attach the memory read-only: read permission is enough, and no "+
		"other process sees this one")
	f.DurationVar(&o.timeout, "timeout", 0, "end with code 3 when no message has come for this time "+
		"(0: wait for ever)")
	f.Var(&o.wait, "wait", "how to wait for messages: the faster, the more processor time")
	f.BoolVar(&o.stats, "stats", false, "at the end report messages, bytes, time, rate and losses on stderr")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return cli.Usagef("%w; see bussub --help", cli.FlagError(err))
	})
	complete := func(flag string, words ...string) {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
	_ = cmd.RegisterFlagCompletionFunc("bus", cli.CompleteBuses)
	complete("format", codec.Names()...)
	complete("from", "now", "oldest")
	complete("wait", strings.Split(o.wait.Type(), "|")...)
	return cmd
}

func (o *options) check(cmd *cobra.Command, args []string) (err error) {
	if o.bus, err = cli.BusName(o.bus); err != nil {
		return err
	}
	if err := bus.CheckName(o.bus); err != nil {
		return cli.Usagef("%w", err)
	}
	if o.patterns = args; len(args) == 0 {
		o.patterns = []string{">"}
	}
	for _, p := range o.patterns {
		if err := bus.CheckPattern(p); err != nil {
			return cli.Usagef("bus %s: %w", o.bus, err)
		}
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"evict-after", o.evictAfter}, {"demote-after", o.demoteAfter}} {
		if cmd.Flags().Changed(d.flag) && d.value <= 0 {
			return cli.Usagef("--%s %v: use a duration above 0, such as 1.5s or 200ms", d.flag, d.value)
		}
	}
	switch {
	case o.timeout < 0:
		return cli.Usagef("--timeout %v: use a duration from 0 on, such as 1.5s or 200ms; 0 waits for ever", o.timeout)
	case o.evictAfter > 0 && o.demoteAfter > 0:
		return cli.Usagef("--evict-after and --demote-after exclude each other")
	case o.whole && (o.meta || o.format != codec.Text && o.format != codec.Raw):
		return cli.Usagef("--whole goes with --format text or raw, and without --meta")
	case cmd.Flags().Changed("count") && o.count == 0:
		return cli.Usagef("--count 0: use 1 or more")
	}
	if o.evictAfter > 0 || o.demoteAfter > 0 {
		o.reliable = true
	}
	if o.observe && o.reliable {
		return cli.Usagef("--observe excludes --reliable, --evict-after and --demote-after: publishers do not know of an observer")
	}
	o.failOnLoss = o.failOnLoss || o.reliable
	return nil
}
