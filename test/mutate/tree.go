//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A mutation is a protection taken out.
type mutation struct {
	name          string // what is no longer done
	file          string
	before, after string // text that is in the file once, and what takes its place
	pkg, run      string // the package and the tests, as go test -run has it, that are to notice it
	times         int    // that the tests are run, where one run may miss it; 0 is once
	quick         bool   // tried for each change
}

// applies reports the mutations whose text is not in their file exactly once.
func applies(root string, all []mutation) error {
	var errs []error
	for _, m := range all {
		text, err := os.ReadFile(filepath.Join(root, m.file))
		if err != nil {
			errs = append(errs, err)
		} else if n := strings.Count(string(text), m.before); n != 1 {
			errs = append(errs, fmt.Errorf("%s: %s: does not apply: its text is there %d times, not once: change table.go with the code", m.file, m.name, n))
		}
	}
	return errors.Join(errs...)
}

// A tree is a copy of the module, in which mutations are made.
type tree struct{ dir string }

// apart are folders of the module that no test of a mutation needs.
var apart = []string{".git", "bin", "docs", "test/bench"}

func newTree(root string) (*tree, error) {
	dir, err := os.MkdirTemp("", "shmbus-mutate-")
	if err != nil {
		return nil, err
	}
	t := &tree{dir}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(apart, rel):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, rel), 0o755)
		case !d.Type().IsRegular(): // .git of a worktree is a file, and not needed either
			return nil
		}
		return copyFile(filepath.Join(dir, rel), path, d)
	})
	if err != nil {
		return nil, errors.Join(err, t.remove())
	}
	return t, nil
}

func copyFile(to, from string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, info.Mode().Perm())
}

func (t *tree) remove() error { return os.RemoveAll(t.dir) }

// sound reports an error unless the tests pass as long as nothing is mutated: otherwise they would
// say nothing about mutations.
func (t *tree) sound(ctx context.Context, all []mutation, timeout time.Duration) error {
	run := map[string][]string{}
	for _, m := range all {
		if !slices.Contains(run[m.pkg], m.run) {
			run[m.pkg] = append(run[m.pkg], m.run)
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(run)) {
		tests := strings.Join(run[pkg], "|")
		o := t.test(ctx, pkg, tests, 1, timeout*time.Duration(len(run[pkg])))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if o.verdict != survives {
			return fmt.Errorf("go test %s -run %s fails, though nothing is mutated:\n%s", pkg, tests, o.output)
		}
		if strings.Contains(o.output, "no tests to run") {
			return fmt.Errorf("%s has no test %s", pkg, tests)
		}
	}
	return nil
}

// try makes a mutation, runs its tests, and takes it back.
func (t *tree) try(ctx context.Context, m mutation, timeout time.Duration) (outcome, error) {
	path := filepath.Join(t.dir, m.file)
	text, err := os.ReadFile(path)
	if err != nil {
		return outcome{}, err
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), m.before, m.after, 1)), 0o644); err != nil {
		return outcome{}, err
	}
	o := t.test(ctx, m.pkg, m.run, max(m.times, 1), timeout)
	return o, os.WriteFile(path, text, 0o644)
}

// A verdict is what tests say of a mutation.
type verdict string

const (
	caught       verdict = "caught"
	survives     verdict = "SURVIVES"
	doesNotBuild verdict = "NO BUILD"
)

type outcome struct {
	verdict verdict
	output  string
}

var failed = regexp.MustCompile(`(?m)^--- FAIL: (\S+)|^panic: (test timed out)|^(fatal error: .*)|^(panic: .*)`)

// by says what noticed a mutation.
func (o outcome) by() string {
	if o.verdict != caught {
		return ""
	}
	m := failed.FindStringSubmatch(o.output)
	if m == nil {
		return " (its process ended)"
	}
	return " (" + strings.Join(m[1:], "") + ")"
}

// buildTimeout is how long a test binary may take to be built.
const buildTimeout = 10 * time.Minute

// test runs go test. Whatever System V objects are left are gone with the IPC namespaces that the
// test binaries make for themselves.
func (t *tree) test(ctx context.Context, pkg, run string, times int, timeout time.Duration) outcome {
	ctx, cancel := context.WithTimeout(ctx, timeout+buildTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "test", fmt.Sprint("-count=", times), "-vet=off", "-failfast", "-timeout="+timeout.String(), "-run="+run, pkg)
	cmd.Dir = t.dir
	cmd.Env = append(os.Environ(), "SHMBUS_TEST_PATIENCE=5s")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	o := outcome{survives, string(out)}
	switch {
	case strings.Contains(o.output, "[build failed]") || strings.Contains(o.output, "[setup failed]"):
		o.verdict = doesNotBuild
	case err != nil:
		o.verdict = caught
	}
	return o
}
