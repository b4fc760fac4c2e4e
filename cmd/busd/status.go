package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
)

// glance is the time between the two looks that give the first rates.
const glance = 250 * time.Millisecond

type statusFlags struct {
	json, watch bool
	interval    time.Duration
}

func newStatus() *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use:   "status [NAME]",
		Short: "show who publishes and subscribes on a bus, how fast, how far behind",
		Long: `busd status looks at a bus without taking part in it: publishers and subscribers with their rates, positions, lag
and losses, how full the ring is, what deaths were handled. Rates are those of a quarter of a second, or of the interval.

--watch looks again and again: on a terminal it redraws, elsewhere it appends a line each time.

` + statusJSONHelp,
		Example:           "  busd status prices\n  busd status prices --watch --interval 500ms\n  busd status prices --json | jq '.subscribers[] | {pid, lag, lost}'",
		Args:              arguments(0, 1),
		ValidArgsFunction: completeBuses,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := busArgument(args)
			if err != nil {
				return err
			}
			if f.interval < time.Millisecond {
				return cli.Usagef("--interval %v is too short; use one from 1ms", f.interval)
			}
			return look(name, func(o *bus.Observer) error {
				return f.run(cmd.Context(), o, cmd.OutOrStdout())
			})
		},
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON; with --watch an object on each line")
	cmd.Flags().BoolVar(&f.watch, "watch", false, "look again until interrupted")
	cmd.Flags().DurationVar(&f.interval, "interval", time.Second, "time between the looks of --watch")
	return cmd
}

func (f statusFlags) run(ctx context.Context, o *bus.Observer, w io.Writer) error {
	before, err := o.Snapshot()
	if err != nil {
		return err
	}
	for pause := glance; ; pause = f.interval {
		if err := cli.Sleep(ctx, pause); err != nil {
			return err
		}
		now, err := o.Snapshot()
		if err != nil {
			return err
		}
		r := ratesBetween(before, now)
		switch {
		case f.json:
			err = writeJSON(w, newStatusJSON(now, r), !f.watch)
		case !f.watch:
			err = writeStatus(w, now, r)
		case cli.IsTerminal(w):
			err = redraw(w, now, r)
		default:
			err = writeStatusLine(w, now, r)
		}
		if err != nil || !f.watch {
			return err
		}
		if now.State != "live" {
			return fmt.Errorf("bus %s was removed", now.Name)
		}
		before = now
	}
}

// redraw writes a snapshot over the last one, in one piece and without clearing first, so that nothing flickers.
func redraw(w io.Writer, s bus.Snapshot, r rates) error {
	const home, clearLine, clearBelow = "\x1b[H", "\x1b[K", "\x1b[J"
	var b strings.Builder
	_ = writeStatus(&b, s, r)
	_, err := io.WriteString(w, home+strings.ReplaceAll(b.String(), "\n", clearLine+"\n")+clearBelow)
	return err
}

// writeStatusLine prints what changes from look to look in a line.
func writeStatusLine(w io.Writer, s bus.Snapshot, r rates) error {
	publishers, subscribers := alive(s)
	var lag, lost uint64
	for _, u := range s.Subscribers {
		lag, lost = max(lag, u.Lag), lost+u.Lost
	}
	_, err := fmt.Fprintf(w, "%s %s head=%d rate=%s bytes=%s fill=%s backlog=%s publishers=%d subscribers=%d maxlag=%d lost=%d deaths=%d\n",
		s.Taken.Format("15:04:05.000"), s.Name, s.Head, cli.Rate(r.Messages), byteRate(r.Bytes), percent(filled(s)), percent(s.Fill), publishers, subscribers, lag, lost, s.Deaths)
	return err
}

func percent(f float64) string { return fmt.Sprintf("%.0f%%", 100*f) }

func byteRate(perSecond float64) string { return cli.Bytes(uint64(perSecond)) + "/s" }
