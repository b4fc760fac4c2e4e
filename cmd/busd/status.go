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

// glance is the time between the two snapshots from which the first rates are computed.
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
		Long: `busd status shows a bus without taking part in it: publishers and subscribers with their rates,
positions, lag and losses, how full the ring is, which deaths were handled, and who blocks
publishers. Rates are measured over a quarter of a second, or over the interval.

POSITION, LAG and LOST count positions: a message takes one for each slot that it needs. MESSAGES
and RECEIVED count messages. FULL is how often a publisher found no room. A subscriber or publisher
is shown as stopped if its process is stopped and visible from here.

On a terminal, columns that do not fit its width are left out. Elsewhere all columns are printed.

--watch looks again and again. On a terminal it redraws what fits. Elsewhere, or with TERM=dumb, it
appends a line each time.

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

// A screen is a terminal on which each snapshot is drawn over the one before, without scrolling.
type screen struct {
	w        io.Writer
	snapshot bus.Snapshot
	size     frame
}

// The size that is assumed for a terminal that does not report its size.
const (
	usualRows    = 24
	usualColumns = 80
)

// draw writes the lines that fit, in one write. It does not clear the screen first unless the size
// has changed, so that nothing flickers.
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
	// A newline in the last row would scroll. After a character in the last column the cursor may
	// stay on it, and clearing the rest of the line would then erase the character. So neither is
	// used.
	room := frame{max(columns-1, 1), max(rows-1, 1)}
	for _, line := range statusLines(x.snapshot, room) {
		b.WriteString(line + clearLine + "\n")
	}
	b.WriteString(clearBelow)
	_, err := io.WriteString(x.w, b.String())
	return err
}

// writeStatusLine prints the changing values of a snapshot in one line.
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
