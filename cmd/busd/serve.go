package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
)

// serveFlags is the command line of serve.
type serveFlags struct {
	buses     []string
	spec      spec
	config    string
	logFormat string
	quiet     bool
	check     bool
}

func newServe() *cobra.Command {
	f := serveFlags{spec: defaultSpec()}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "make or adopt buses, and watch for the death of their clients",
		Long: `busd serve makes the buses, or adopts those that exist, and stays. The kernel tells it when a
client dies; it then clears the records of the dead client and logs the death. While nothing
happens it uses almost no processor time.

A bus does not need busd. SIGTERM and SIGINT end busd and leave the bus, which the next busd
adopts. More than one busd may serve a bus; the later one says so. Sizes, mode and group are fixed
when a bus is made.

When somebody removes a bus, busd gives that bus up with --on-removed exit, and ends with code 1
when it has given up the last one. With --on-removed recreate it makes an empty bus of the same
name.

` + configHelp + "\n\nUnder systemd (Type=notify or notify-reload) busd reports when it is ready, reloading and\n" +
			"stopping.\n\n" + envHelp,
		Example: "  busd serve -b prices\n  busd serve -b prices,audit --slots 64K --slot-size 512 --mode 0660\n  busd serve --config /etc/busd.conf --log-format json",
		Args:    arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.check {
				return f.describe(cmd.OutOrStdout())
			}
			return f.run(cmd.Context(), cmd.ErrOrStderr())
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringSliceVarP(&f.buses, "bus", "b", nil, "names of the buses (default: SHMBUS_BUS, unless there is a configuration file)")
	f.spec.flags(fs)
	fs.StringVar(&f.config, "config", "", "configuration file that lists more buses")
	fs.BoolVar(&f.check, "check", false, "check flags and configuration file, and print the buses that would be made; make none")
	fs.StringVar(&f.logFormat, "log-format", "text", "text or json, to standard error")
	fs.BoolVar(&f.quiet, "quiet", false, "log warnings and errors only")
	_ = cmd.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions([]cobra.Completion{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("on-removed", cobra.FixedCompletions([]cobra.Completion{"exit", "recreate"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("bus", cli.CompleteBuses)
	return cmd
}

// describe prints the buses that flags and configuration file ask for.
func (f serveFlags) describe(w io.Writer) error {
	specs, err := f.specs()
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, s := range specs {
		fmt.Fprintf(&b, "%s\n", s)
	}
	_, err = io.WriteString(w, b.String())
	return err
}

func (f serveFlags) run(ctx context.Context, stderr io.Writer) error {
	log, err := newLogger(f.logFormat, f.quiet, stderr)
	if err != nil {
		return err
	}
	specs, err := f.specs()
	if err != nil {
		return err
	}
	n, err := newNotifier()
	if err != nil {
		log.Warn("the service manager cannot be told", "error", err)
	}
	defer n.close()

	reload := make(chan os.Signal, 1)
	if f.config != "" || !signal.Ignored(syscall.SIGHUP) { // nohup ignores SIGHUP
		signal.Notify(reload, syscall.SIGHUP)
	}
	defer signal.Stop(reload)

	d := newDaemon(log, n)
	d.reread = f.specs
	d.hasConfig = f.config != ""
	return d.run(ctx, specs, reload)
}

// specs returns what the command line and the configuration file ask for.
func (f serveFlags) specs() ([]spec, error) {
	var fromFile []spec
	if f.config != "" {
		var err error
		if fromFile, err = loadConfig(f.config, f.spec); err != nil {
			return nil, err
		}
	}
	names := f.buses
	if len(names) == 0 && f.config == "" {
		name, err := cli.BusName("")
		if err != nil {
			return nil, cli.Usagef("%w (busd --help says more)", err)
		}
		names = []string{name}
	}
	specs, listed := fromFile, map[string]bool{}
	for _, s := range fromFile {
		listed[s.Name] = true
	}
	for _, name := range names {
		if err := bus.CheckName(name); err != nil {
			return nil, cli.Usagef("%w", err)
		}
		// The file may have settings for a bus that the command line names, too.
		if !listed[name] {
			listed[name] = true
			s := f.spec
			s.Name = name
			specs = append(specs, s)
		}
	}
	for _, s := range specs {
		if err := s.check(); err != nil {
			return nil, cli.Usagef("bus %s: %w", s.Name, err)
		}
	}
	if len(specs) == 0 {
		return nil, cli.Usagef("%s lists no bus: give it a section [NAME]", f.config)
	}
	return specs, nil
}

func newLogger(format string, quiet bool, w io.Writer) (*slog.Logger, error) {
	opts := &slog.HandlerOptions{Level: slog.LevelInfo}
	if quiet {
		opts.Level = slog.LevelWarn
	}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return nil, cli.Usagef("--log-format %q is neither text nor json", format)
}
