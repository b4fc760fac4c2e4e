package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
)

type createFlags struct {
	spec        spec
	ifNotExists bool
	quiet       bool
}

func newCreate() *cobra.Command {
	f := createFlags{spec: defaultSpec()}
	cmd := &cobra.Command{
		Use:   "create NAME…",
		Short: "make buses",
		Long: `busd create makes buses and returns when they exist: the next command can publish and subscribe.
No process has to stay. busd serve, which watches for dead clients, may be started later or never.

Sizes, mode and group are fixed when a bus is made.`,
		Example: "  busd create prices\n  busd create prices audit --slots 64K --slot-size 512 --mode 0660 --group traders",
		Args:    arguments(0, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if name := cmd.Flag("bus").Value.String(); len(args) == 0 || name != "" {
				name, err := busArgument(nil, name)
				if err != nil {
					return err
				}
				args = append([]string{name}, args...)
			}
			for _, name := range args {
				if err := bus.CheckName(name); err != nil {
					return cli.Usagef("%w", err)
				}
			}
			if err := f.spec.check(); err != nil {
				return cli.Usagef("bus %s: %w", strings.Join(args, ", "), err)
			}
			var errs []error
			for _, name := range args {
				errs = append(errs, f.create(name, cmd.OutOrStdout(), cmd.ErrOrStderr()))
			}
			return errors.Join(errs...)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	busFlag(cmd)
	f.spec.makeFlags(fs)
	fs.BoolVar(&f.ifNotExists, "if-not-exists", false, "accept a bus that exists already, and leave it as it is")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "print nothing about the buses that were made")
	return cmd
}

// removeMade removes a bus that this command has made and that does not stay, and what of it would.
func removeMade(b *bus.Bus, made bool) error {
	if !made {
		return nil
	}
	return bus.Remove(b.Name())
}

func (f createFlags) create(name string, stdout, stderr io.Writer) error {
	s := f.spec
	s.Name = name
	opts := append(s.options(), bus.WithClientName("busd create"))
	make := func() (*bus.Bus, bool, error) {
		b, err := bus.Create(name, opts...)
		return b, err == nil, err
	}
	if f.ifNotExists {
		make = func() (*bus.Bus, bool, error) { return bus.OpenOrCreate(name, opts...) }
	}
	b, created, err := make()
	switch {
	case errors.Is(err, bus.ErrInvalid):
		return &cli.UsageError{Err: err}
	case errors.Is(err, bus.ErrExists):
		return fmt.Errorf("%w (busd status %s shows it, --if-not-exists takes it as it is)", err, name)
	case err != nil:
		return err
	}
	defer b.Close()
	if err := b.Kept(); err != nil {
		return fmt.Errorf("bus %s: %w", name, errors.Join(err, removeMade(b, created)))
	}
	list := s.differs(b.Sizes())
	if now, err := b.Snapshot(); err == nil {
		list = append(list, s.permissions(now)...)
	}
	switch {
	case created:
		for _, what := range s.adjusted() {
			fmt.Fprintf(stderr, "note: bus %s: %s\n", name, what)
		}
	case len(list) > 0:
		fmt.Fprintf(stderr, "note: bus %s exists, not as asked for: %s (to change them, remove it first: busd rm %s)\n",
			name, strings.Join(list, ", "), name)
	}
	if f.quiet {
		return nil
	}
	what := "made"
	if !created {
		what = "exists"
	}
	if _, err = fmt.Fprintf(stdout, "%s %s: %s\n", name, what, describeSizes(b.Sizes())); err != nil && created {
		return fmt.Errorf("bus %s was made, but that could not be written: %w", name, err)
	}
	return err
}
