package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
	"shmbus/internal/linux"
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
and losses, how full the ring is, what deaths were handled, and who keeps publishers from publishing. Rates are those of a quarter of a
second, or of the interval.

POSITION, LAG and LOST are positions: a message takes one, or one for each slot that it needs. MESSAGES and RECEIVED are messages. FULL is
how often a publisher found no room. A subscriber or publisher whose process is stopped is shown as stopped, if its process can be seen from here.

On a terminal, lines and tables are as wide as it is, and columns that do not fit are left out; elsewhere nothing is.

--watch looks again and again: on a terminal it redraws what fits, elsewhere, or with TERM=dumb, it appends a line each time.

` + statusJSONHelp,
		Example:           "  busd status prices\n  busd status prices --watch --interval 500ms\n  busd status prices --json | jq '.subscribers[] | {pid, lag, lost}'",
		Args:              arguments(0, 1),
		ValidArgsFunction: cli.CompleteBuses,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := busArgument(args, cmd.Flag("bus").Value.String())
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
	busFlag(cmd)
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
	term := os.Getenv("TERM")
	screen := screen{w: w}
	onScreen := f.watch && !f.json && cli.IsTerminal(w) && term != "" && term != "dumb"
	resized := make(chan os.Signal, 1)
	if onScreen {
		signal.Notify(resized, linux.SIGWINCH)
		defer signal.Stop(resized)
	}
	for pause := glance; ; pause = f.interval {
		next := time.NewTimer(pause)
		for waits := true; waits; {
			select {
			case <-next.C:
				waits = false
			case <-resized:
				if err := screen.draw(); err != nil {
					return err
				}
			case <-ctx.Done():
				next.Stop()
				return context.Cause(ctx)
			}
		}
		now, err := o.Snapshot()
		if err != nil {
			return err
		}
		looked := now
		now.SetRates(before)
		now.FindStopped()
		switch {
		case f.json:
			now.Topics = sortedTopics(now)
			err = writeJSON(w, now, !f.watch)
		case onScreen:
			screen.snapshot = now
			err = screen.draw()
		case f.watch:
			err = writeStatusLine(w, now)
		default:
			err = writeStatus(w, now)
		}
		if err != nil || !f.watch {
			return err
		}
		if now.State != "live" {
			return fmt.Errorf("bus %s was removed", now.Name)
		}
		before = looked
	}
}

// A screen is a terminal on which a snapshot is drawn over the last one, so that it never scrolls.
type screen struct {
	w        io.Writer
	snapshot bus.Snapshot
	size     frame
}

// The size of a terminal that does not tell it.
const (
	usualRows    = 24
	usualColumns = 80
)

// draw writes what fits, in one piece and, unless the size has changed, without clearing first, so that nothing flickers.
func (x *screen) draw() error {
	if x.snapshot.Taken.IsZero() {
		return nil
	}
	const home, clearLine, clearBelow, clearAll = "\x1b[H", "\x1b[K", "\x1b[J", "\x1b[2J"
	rows, columns, ok := cli.TerminalSize(x.w)
	if !ok {
		rows, columns = usualRows, usualColumns
	}
	var b strings.Builder
	if size := (frame{columns, rows}); size != x.size {
		x.size = size
		b.WriteString(clearAll)
	}
	b.WriteString(home)
	// A newline in the last row would scroll. A character in the last column may leave the cursor behind it, where clearing the
	// rest of the line takes the character away: so neither is used.
	room := frame{max(columns-1, 1), max(rows-1, 1)}
	for _, line := range statusLines(x.snapshot, room) {
		b.WriteString(line + clearLine + "\n")
	}
	b.WriteString(clearBelow)
	_, err := io.WriteString(x.w, b.String())
	return err
}

// writeStatusLine prints what changes from look to look in a line.
func writeStatusLine(w io.Writer, s bus.Snapshot) error {
	publishers, subscribers := alive(s)
	var lag, lost uint64
	for _, u := range s.Subscribers {
		lag, lost = max(lag, u.Lag), lost+u.Lost
	}
	_, err := fmt.Fprintf(w, "%s %s head=%d rate=%s bytes=%s positions=%s fill=%s backlog=%s publishers=%d subscribers=%d maxlag=%d lost=%d deaths=%d\n",
		s.Taken.Format("15:04:05.000"), s.Name, s.Head, cli.Rate(s.MessageRate), byteRate(s.ByteRate), cli.Rate(s.PositionRate), percent(s.Fill), percent(s.Backlog), publishers, subscribers, lag, lost, s.Deaths)
	return err
}

func percent(f float64) string { return fmt.Sprintf("%.0f%%", 100*f) }

func byteRate(perSecond float64) string { return cli.Bytes(uint64(perSecond)) + "/s" }
