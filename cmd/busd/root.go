package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
	"shmbus/layout"
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
	root.Long = "busd makes buses, keeps them, and reports on them. Without a command it serves; see busd serve --help.\n\n" + envHelp
	root.Version = version()
	root.SetVersionTemplate("busd {{.Version}}\n")
	root.SilenceUsage, root.SilenceErrors = true, true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return cli.Usagef("%w (see %s --help)", err, cmd.CommandPath())
	})
	root.AddCommand(newServe(), newLs(), newStatus(), newTopics(), newRm(), newDoctor())
	return root
}

const envHelp = `Environment:
  SHMBUS_BUS   the default bus
  SHMBUS_DIR   the folder of key files, instead of /run/shmbus (root) or $XDG_RUNTIME_DIR/shmbus and the other
               folders of a user (busd ls shows where each bus is)

Exit codes: 0 done, 1 failed, 2 wrong usage.`

func version() string {
	v := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		v = info.Main.Version
	}
	return fmt.Sprintf("%s, segment layout %d", v, layout.Version)
}

// arguments returns a check of the number of arguments, whose error is one of usage. hi < 0 is without bound.
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

// busArgument returns the bus that the arguments name, or the default one.
func busArgument(args []string) (string, error) {
	var name string
	if len(args) > 0 {
		name = args[0]
	}
	if name, err := cli.BusName(name); err == nil {
		return name, nil
	}
	return "", cli.Usagef("which bus? name it, or set %s (busd ls shows which there are)", cli.EnvBus)
}

// completeBuses completes an argument with the names of the buses that exist.
func completeBuses(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	infos, _ := bus.List()
	var names []cobra.Completion
	for _, i := range infos {
		if strings.HasPrefix(i.Name, toComplete) && !slices.Contains(args, i.Name) {
			names = append(names, i.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// look attaches a bus read-only for the time of a call.
func look(name string, f func(*bus.Observer) error) error { return observe(f, name) }

// lookIn is look for a bus in a certain folder: one of the same name may come before it.
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
