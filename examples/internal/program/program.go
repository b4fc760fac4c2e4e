// Package program runs the example programs in their tests, as processes.
package program

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"testing"
	"time"
)

const env = "EXAMPLE_RUNS_MAIN"

// Main is for TestMain: it runs the tests, or main, if [Start] has started the test binary for
// that.
func Main(m *testing.M, main func()) {
	if os.Getenv(env) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A Program is a process that runs main.
type Program struct {
	*exec.Cmd
	t      testing.TB
	lines  chan string // of its standard output
	stderr bytes.Buffer
}

// Start starts the program with arguments. It is killed when the test ends, if it still runs.
func Start(t testing.TB, args ...string) *Program {
	t.Helper()
	return StartWith(t, nil, args...)
}

// StartWith is Start with a standard input.
func StartWith(t testing.TB, stdin *os.File, args ...string) *Program {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), env+"=1")
	if stdin != nil {
		cmd.Stdin = stdin
	}
	return Run(t, cmd)
}

// Run starts any command as a Program.
func Run(t testing.TB, cmd *exec.Cmd) *Program {
	t.Helper()
	p := &Program{Cmd: cmd, t: t, lines: make(chan string, 10_000)}
	cmd.Stderr = &p.stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			p.lines <- lines.Text()
		}
		close(p.lines)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		for range p.lines {
		}
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%v said: %s", cmd, &p.stderr)
		}
	})
	return p
}

// Line returns the next line of the program's standard output, and "" when there will be none.
func (p *Program) Line() string {
	p.t.Helper()
	select {
	case line := <-p.lines:
		return line
	case <-time.After(30 * time.Second):
		p.t.Fatalf("%v printed nothing more in 30 seconds", p.Cmd)
		return ""
	}
}

// Interrupt sends SIGINT, as Ctrl-C does, and expects the program to end well.
func (p *Program) Interrupt() {
	p.t.Helper()
	_ = p.Process.Signal(os.Interrupt)
	p.End()
}

// End expects the program to end well.
func (p *Program) End() {
	p.t.Helper()
	end := time.AfterFunc(30*time.Second, func() { _ = p.Process.Kill() })
	defer end.Stop()
	for range p.lines {
	}
	if err := p.Wait(); err != nil {
		p.t.Fatalf("%v: %v: %s", p.Cmd, err, &p.stderr)
	}
}
