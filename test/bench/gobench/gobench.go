// Package gobench has a Go benchmark as a contender, gobench, so that two builds of a package can
// take turns as two programs do:
//
//	go test -c -o /tmp/new.test ./bus
//	bin/bench pair -a gobench:test=/tmp/new.test,bench=BenchmarkAlone/both -b gobench:test=/tmp/old.test,bench=BenchmarkAlone/both
//
// Parameters:
//
//	test   the test binary
//	bench  the benchmark, by its full name without the number of processors at its end
//	procs  GOMAXPROCS; as many as there are by default
package gobench

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"shmbus/internal/testload"
	"shmbus/test/bench/worker"
)

func init() { worker.Register("gobench", "both", open) }

type benchmark struct {
	test, pattern string
	flags         []string
}

func open(p worker.Params) (worker.Runner, error) {
	b := benchmark{test: p.String("test", ""), pattern: patternOf(p.String("bench", ""))}
	if b.test == "" || b.pattern == "" {
		return nil, errors.New("test=, a test binary, and bench=, the name of a benchmark, are needed")
	}
	if n := p.Int("procs", 0); n > 0 {
		b.flags = append(b.flags, fmt.Sprint("-test.cpu=", n))
	}
	return b, nil
}

// patternOf returns the pattern that matches the benchmark of that name and no other.
func patternOf(name string) string {
	if name == "" {
		return ""
	}
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		parts = append(parts, "^"+regexp.QuoteMeta(part)+"$")
	}
	return strings.Join(parts, "/")
}

// Run executes the test binary. The report is as long as the benchmark's loop: its setting up is no
// part of it.
func (b benchmark) Run(n int) (worker.Report, error) {
	args := append([]string{"-test.run=^$", "-test.bench=" + b.pattern, fmt.Sprintf("-test.benchtime=%dx", n)}, b.flags...)
	cmd := exec.Command(b.test, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return worker.Report{}, fmt.Errorf("%s: %w: %s", b.test, err, out)
	}
	each, err := nanoseconds(string(out))
	if err != nil {
		return worker.Report{}, fmt.Errorf("%s -test.bench=%s: %w", b.test, b.pattern, err)
	}
	end := testload.Now()
	return worker.Report{Start: end - int64(each*float64(n)), End: end}, nil
}

var result = regexp.MustCompile(`(?m)^Benchmark\S+\s+\d+\s+([0-9.e+]+) ns/op`)

// nanoseconds returns what a benchmark says that one of its n takes.
func nanoseconds(out string) (float64, error) {
	all := result.FindAllStringSubmatch(out, -1)
	if len(all) != 1 {
		return 0, fmt.Errorf("there are results of %d benchmarks, of one are needed: %s", len(all), out)
	}
	return strconv.ParseFloat(all[0][1], 64)
}

func (benchmark) Close() error { return nil }
