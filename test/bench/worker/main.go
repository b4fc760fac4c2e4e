package worker

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"shmbus/internal/testload"
)

// ErrSkipped is wrapped by errors that say that this host lacks what a contender needs.
var ErrSkipped = errors.New("skipped")

// Main is the main loop of a Go worker: args are CONTENDER ROLE key=value …. It returns the exit
// code.
func Main(args []string, stdin io.Reader, stdout io.Writer) int {
	if err := serve(args, stdin, stdout); err != nil {
		fmt.Fprintf(stdout, "error %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
		return 1
	}
	return 0
}

func serve(args []string, stdin io.Reader, stdout io.Writer) (err error) {
	defer func() {
		if r := recover(); r != nil {
			bad, ok := r.(badParam)
			if !ok {
				panic(r)
			}
			err = errors.New(string(bad))
		}
	}()
	if len(args) < 2 {
		return errors.New("a worker needs a contender and a role")
	}
	contender, role := args[0], args[1]
	params, err := ParseParams(args[2:])
	if err != nil {
		return err
	}
	create := registry[[2]string{contender, role}]
	if create == nil {
		return fmt.Errorf("there is no contender %s with role %s", contender, role)
	}
	r, err := create(params)
	if err != nil {
		return err
	}
	closeOnSignal(r)
	fmt.Fprintln(stdout, "ready")
	samples := filepath.Join(params["dir"], fmt.Sprintf("%s-%s-%d.samples", contender, role, os.Getpid()))
	err = obey(r, samples, stdin, stdout)
	return errors.Join(err, r.Close())
}

// obey does what the lines of stdin say until they end.
func obey(r Runner, samples string, stdin io.Reader, stdout io.Writer) error {
	lines := bufio.NewScanner(stdin)
	for lines.Scan() {
		verb, rest, _ := strings.Cut(lines.Text(), " ")
		switch verb {
		case "quit":
			return nil
		case "run":
			n, err := strconv.Atoi(rest)
			if err != nil || n < 1 {
				return fmt.Errorf("run %s: a number from 1 on is needed", rest)
			}
			if err := run(r, n, samples, stdout); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%q is not understood", lines.Text())
		}
	}
	return lines.Err()
}

func run(r Runner, n int, samples string, stdout io.Writer) error {
	cpu, start := testload.CPU(), testload.Now()
	rep, err := r.Run(n)
	end := testload.Now()
	cpu = testload.CPU() - cpu
	if err != nil {
		return err
	}
	if rep.Start == 0 {
		rep.Start = start
	}
	if rep.End == 0 {
		rep.End = end
	}
	line := fmt.Sprintf("ran n=%d start=%d end=%d cpu=%d bad=%d lost=%d", n, rep.Start, rep.End, cpu, rep.Bad, rep.Lost)
	if rep.Samples != nil {
		if err := writeSamples(samples, rep.Samples); err != nil {
			return err
		}
		line += " samples=" + samples
	}
	for _, key := range slices.Sorted(maps.Keys(rep.Other)) {
		line += " " + key + "=" + rep.Other[key]
	}
	_, err = fmt.Fprintln(stdout, line)
	return err
}

// closeOnSignal lets a worker clean up that is told to end while it runs.
func closeOnSignal(r Runner) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-c
		r.Close()
		os.Exit(1)
	}()
}
