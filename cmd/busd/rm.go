package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
)

func newRm() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:     "rm NAME…",
		Aliases: []string{"remove"},
		Short:   "remove buses",
		Long: `busd rm removes buses: segment, semaphores and key file. It refuses while clients
other than busd are attached, and names them. With --force it removes the bus all the same, and
these clients get an error that says so.

A busd that serves a removed bus gives it up or makes it again, as its --on-removed says.`,
		Args:              arguments(0, -1),
		ValidArgsFunction: cli.CompleteBuses,
		RunE: func(cmd *cobra.Command, args []string) error {
			// The command line names the bus to remove; the environment does not.
			if name := cmd.Flag("bus").Value.String(); name != "" {
				args = append([]string{name}, args...)
			}
			if len(args) == 0 {
				return cli.Usagef("busd rm: which bus? usage: %s", cmd.UseLine())
			}
			for _, name := range args {
				if err := bus.CheckName(name); err != nil {
					return cli.Usagef("%w", err)
				}
			}
			var errs []error
			for _, name := range args {
				errs = append(errs, rm(name, force, cmd.ErrOrStderr()))
			}
			return errors.Join(errs...)
		},
	}
	cmd.Flags().StringP("bus", "b", "", "`NAME` of a bus, as an argument gives it")
	_ = cmd.RegisterFlagCompletionFunc("bus", cli.CompleteBuses)
	cmd.Flags().BoolVar(&force, "force", false, "also when clients are attached")
	return cmd
}

func rm(name string, force bool, stderr io.Writer) error {
	daemons, err := removable(name)
	if err != nil && (!force || errors.Is(err, bus.ErrNotFound) || errors.Is(err, bus.ErrName)) {
		return err
	}
	if err := bus.Remove(name); err != nil {
		return err
	}
	for _, d := range daemons {
		fmt.Fprintf(stderr, "note: busd (pid %d) serves %s; it makes it again if it was told --on-removed recreate\n", d.Pid, name)
	}
	return nil
}

// notThere says that there is no bus to remove. The advice to create one is left out.
func notThere(name string, err error) error {
	var e *bus.NotFoundError
	if errors.As(err, &e) && len(e.Known)+len(e.Lost)+len(e.Elsewhere) == 0 {
		return fmt.Errorf("remove bus %q: there is no such bus, nor any other, in %s",
			name, strings.Join(e.Dirs, ", "))
	}
	var op *bus.OpError
	if errors.As(err, &op) {
		op.Op = "remove"
	}
	return err
}

// removable returns the daemons that serve a bus, or an error that says why the bus should not be
// removed.
func removable(name string) ([]bus.ClientStatus, error) {
	if err := bus.CheckName(name); err != nil {
		return nil, err
	}
	var snapshot bus.Snapshot
	err := look(name, func(o *bus.Observer) (err error) {
		snapshot, err = o.Snapshot()
		return err
	})
	switch {
	case err == nil:
	case broken(name):
		return nil, nil
	case errors.Is(err, bus.ErrNotFound):
		return nil, notThere(name, err)
	case errors.Is(err, fs.ErrPermission) && !mayRemove(name):
		return nil, fmt.Errorf("%w; only its owner and root may remove it: run busd rm as one of them", err)
	case errors.Is(err, bus.ErrVersion):
		return nil, fmt.Errorf("%w; only the busd of that version can see whether the bus is in use: "+
			"remove it with that one (busd rm --force %s removes it in any case)", err, name)
	default:
		return nil, fmt.Errorf("%w; this program cannot see whether the bus is in use (busd rm --force "+
			"%s removes it in any case)", err, name)
	}
	var users []string
	for _, c := range snapshot.Clients {
		if c.Alive && !c.Daemon {
			users = append(users, fmt.Sprintf("%s (pid %d)", c.Name, c.Pid))
		}
	}
	daemons := otherDaemons(snapshot, 0)
	if len(users) > 0 {
		return daemons, fmt.Errorf("bus %s is in use by %s: end them, or remove it in any case with busd rm --force %s",
			name, strings.Join(users, ", "), name)
	}
	return daemons, nil
}

// mayRemove reports whether this user may remove a bus.
func mayRemove(name string) bool {
	infos, _ := bus.List()
	for _, i := range infos {
		if i.Name == name {
			return os.Geteuid() == 0 || ownerOf(i.Path) == os.Geteuid()
		}
	}
	return false
}

// broken reports whether a bus has a key file but no segment or semaphores that could be in use.
func broken(name string) bool {
	infos, _ := bus.List()
	for _, i := range infos {
		if i.Name == name {
			return i.State == "stale" || i.State == "incomplete"
		}
	}
	return false
}
