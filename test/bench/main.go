// Command bench measures the bus against other ways between processes, and against what the
// hardware allows.
//
//	bench tables                                              all tables: make bench
//	bench pair --a shmbus:size=48 --b native/ring:size=48     one against another, in alternation
//	bench plot RESULT.json FOLDER                             charts of what bench tables --json FILE wrote
//
// See README.md in this folder.
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"shmbus/test/bench/host"
	"shmbus/test/bench/worker"
)

//go:embed native
var sources embed.FS

func main() {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		os.Exit(worker.Main(os.Args[2:], os.Stdin, os.Stdout))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// A verb is a subcommand.
type verb struct {
	name, does string
	run        func(ctx context.Context, args []string, stdout, stderr io.Writer) error
}

var verbs = []verb{
	{"tables", "prints all tables, or those of --only", runTables},
	{"pair", "measures one contender against another", runPair},
	{"plot", "draws charts of a result file", runPlot},
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		for _, v := range verbs {
			if v.name == args[0] {
				return v.run(ctx, args[1:], stdout, stderr)
			}
		}
		fmt.Fprintf(stderr, "bench: there is no %q\n", args[0])
	}
	for _, v := range verbs {
		fmt.Fprintf(stderr, "bench %-8s %s\n", v.name, v.does)
	}
	return flag.ErrHelp
}

// newHost returns a host that runs this program for workers in Go, and everything on the processors
// that --cpus names.
func newHost(processors string) (*host.Host, error) {
	cpus, err := parseCPUs(processors)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	native, err := fs.Sub(sources, "native")
	if err != nil {
		return nil, err
	}
	return host.New(self, native, cpus)
}

// parseCPUs returns the processors in the list, the first two for an empty one.
func parseCPUs(s string) ([]int, error) {
	if s == "" {
		return host.CPUs(2)
	}
	var cpus []int
	for word := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(word)
		if err != nil {
			return nil, fmt.Errorf("--cpus %s: %w", s, err)
		}
		cpus = append(cpus, n)
	}
	return cpus, nil
}
