package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
)

func newEvict() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "evict [NAME] PID",
		Short: "make publishers stop waiting for a process's reliable subscriptions",
		Long: `busd evict cuts off the reliable subscriptions of a process that blocks publishers. The
publishers continue at once. The process gets the error of EvictAfter; if it is stopped, it gets
the error when it continues. It stays a client of the bus, and may subscribe again.

busd status shows which subscriptions are behind, and by how much. Use the pid shown there: it is
that of the process's own pid namespace.`,
		Example: "  busd evict prices 4711\n  busd evict -b prices 4711",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 2 {
				return cli.Usagef("busd evict: name the bus and the pid of the process; usage: %s", cmd.UseLine())
			}
			return nil
		},
		ValidArgsFunction: cli.CompleteBuses,
		RunE: func(cmd *cobra.Command, args []string) error {
			last := len(args) - 1
			name, err := busArgument(args[:last], cmd.Flag("bus").Value.String())
			if err != nil {
				return err
			}
			pid, err := strconv.Atoi(args[last])
			if err != nil || pid <= 0 {
				return cli.Usagef("%q is no process id: use the PID that busd status %s shows", args[last], name)
			}
			return evict(name, pid, cmd.OutOrStdout())
		},
	}
	busFlag(cmd)
	return cmd
}

func evict(name string, pid int, stdout io.Writer) (err error) {
	b, err := bus.Open(name, bus.WithClientName("busd evict"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	before, err := b.Snapshot()
	if err != nil {
		return err
	}
	n, err := b.Evict(pid)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("process %d has no reliable subscription on bus %s; %s", pid, name, whoHas(before))
	}
	done := fmt.Sprintf("evicted %s of process %d from bus %s", cli.Plural(n, "subscription"), pid, name)
	if _, err := fmt.Fprintln(stdout, done); err != nil {
		return fmt.Errorf("%s, but that could not be written: %w", done, err)
	}
	return nil
}

// whoHas says which processes have reliable subscriptions.
func whoHas(s bus.Snapshot) string {
	var who []string
	seen := map[int]bool{}
	for _, u := range s.Subscribers {
		if u.Gate == "closed" && !seen[u.Pid] {
			seen[u.Pid] = true
			who = append(who, fmt.Sprintf("%d (%s)", u.Pid, cli.Printable(u.Name)))
		}
	}
	if len(who) == 0 {
		return "no process has one"
	}
	return "these have: " + strings.Join(who, ", ")
}
