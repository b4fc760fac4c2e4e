package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/test/leak"
)

func TestMain(m *testing.M) { leak.Main(withBinaries{m}) }

// binaries is a folder with the commands.
var binaries string

// withBinaries runs tests that start the commands.
type withBinaries struct{ *testing.M }

func (w withBinaries) Run() int {
	dir, err := os.MkdirTemp("", "bin")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-o", dir, "shmbus/cmd/buspub", "shmbus/cmd/bussub")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the commands:", err)
		return 1
	}
	binaries = dir
	return w.M.Run()
}

// home gives the test a folder of key files of its own, and removes every bus in it at the end.
func home(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("SHMBUS_DIR", dir)
	t.Setenv("SHMBUS_BUS", "")
	t.Cleanup(func() {
		infos, err := bus.List(bus.WithDir(dir))
		require.NoError(t, err)
		for _, i := range infos {
			require.NoError(t, bus.Remove(i.Name, bus.WithDir(dir)))
		}
	})
	return dir
}

// create makes a bus that is removed at the end of the test.
func create(t *testing.T, name string, opts ...bus.Option) *bus.Bus {
	t.Helper()
	b, err := bus.Create(name, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// outcome is what a shell script did.
type outcome struct {
	stdout, stderr string
	code           int
	took           time.Duration
}

// shell runs a script in which the commands can be called by their names; it fails with the first
// failing member of a pipeline.
func shell(t *testing.T, script string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", "set -o pipefail\n"+script)
	cmd.Env = append(os.Environ(), "PATH="+binaries+string(filepath.ListSeparator)+os.Getenv("PATH"))
	cmd.Dir = t.TempDir()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = 5 * time.Second
	begin := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	require.NoError(t, ctx.Err(), "the script hangs: %s", stderr.String())
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode(), time.Since(begin)}
}

// text is a buffer that may be written to and read at the same time.
type text struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *text) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *text) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
