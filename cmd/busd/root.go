package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
)

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}

// newRoot returns the command tree. The bare command is serve.
func newRoot() *cobra.Command {
	root := newServe()
	root.Use = "busd"
	root.Short = "make, keep, and look at shared-memory message buses"
	root.Long = "busd makes buses, keeps them, and reports on them. Without a command it serves:\n" +
		"busd -b NAME is busd serve -b NAME.\n\n" + envHelp
	cli.AddVersion(root)
	root.SilenceUsage, root.SilenceErrors = true, true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return cli.Usagef("%w (see %s --help)", cli.FlagError(err), cmd.CommandPath())
	})
	root.AddCommand(newCreate(), newServe(), newLs(), newStatus(), newTopics(), newRm(), newEvict(), newRestore(), newDoctor(), newVersion())
	return root
}

const envHelp = `Environment:
  SHMBUS_BUS   the default bus
  SHMBUS_DIR   the folder of key files, instead of /run/shmbus (root) or $XDG_RUNTIME_DIR/shmbus and the other
               folders of a user (busd ls shows where each bus is)

Exit codes: 0 done, 1 failed, 2 wrong usage.`

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "busd", cli.VersionText())
			return err
		},
	}
}

// arguments returns a check of the number of arguments, whose error is a usage error. hi < 0 means
// no limit.
func arguments(lo, hi int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < lo:
			return cli.Usagef("%s: which bus? usage: %s", cmd.CommandPath(), cmd.UseLine())
		case hi == 0 && len(args) > 0 && cmd.HasSubCommands():
			return cli.Usagef("there is no command %q; use one of %s", args[0], strings.Join(verbs(cmd), ", "))
		case hi >= 0 && len(args) > hi:
			return cli.Usagef("%s: unexpected argument %q; usage: %s", cmd.CommandPath(), args[hi], cmd.UseLine())
		}
		return nil
	}
}

func verbs(cmd *cobra.Command) []string {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

// busFlag defines -b, which names a bus in place of an argument.
func busFlag(cmd *cobra.Command) *string {
	name := cmd.Flags().StringP("bus", "b", "", "`NAME` of the bus, if no argument gives it (default: $"+cli.EnvBus+")")
	_ = cmd.RegisterFlagCompletionFunc("bus", cli.CompleteBuses)
	return name
}

// busArgument returns the bus that the arguments or the flag name, or the default bus.
func busArgument(args []string, flag string) (string, error) {
	name := flag
	if len(args) > 0 {
		// An empty argument does not mean the default bus.
		if err := bus.CheckName(args[0]); err != nil {
			return "", cli.Usagef("%w", err)
		}
		if flag != "" && flag != args[0] {
			return "", cli.Usagef("which bus, %s or %s? name one", args[0], flag)
		}
		name = args[0]
	}
	name, err := cli.BusName(name)
	if err != nil {
		return "", cli.Usagef("which bus? name it, or set %s (busd ls shows which there are)", cli.EnvBus)
	}
	if err := bus.CheckName(name); err != nil {
		return "", cli.Usagef("%w", err)
	}
	return name, nil
}

// look attaches a bus read-only for the time of a call.
func look(name string, f func(*bus.Observer) error) error { return observe(f, name) }

// lookIn is look for a bus in the given folder: another folder may have a bus of the same name.
func lookIn(dir, name string, f func(*bus.Observer) error) error {
	return observe(f, name, bus.WithDir(dir))
}

func observe(f func(*bus.Observer) error, name string, opts ...bus.Option) error {
	o, err := bus.Observe(name, opts...)
	if err != nil {
		return err
	}
	return errors.Join(f(o), o.Close())
}

// otherDaemons returns the live daemons of a bus that are not this process.
func otherDaemons(s bus.Snapshot, self int) []bus.ClientStatus {
	var list []bus.ClientStatus
	for _, c := range s.Clients {
		if c.Alive && c.Daemon && c.Pid != self {
			list = append(list, c)
		}
	}
	return list
}
