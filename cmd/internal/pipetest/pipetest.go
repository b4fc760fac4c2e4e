//go:build linux

// Package pipetest runs shell scripts in which buspub and bussub can be called, for the tests of
// both.
package pipetest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/testproc"
)

// Main runs a package's tests with the commands built, and fails if they leave System V objects
// behind.
func Main(m *testing.M) {
	testproc.Main(testproc.Commands(m, "shmbus/cmd/buspub", "shmbus/cmd/bussub"), nil)
}

// Home gives the test a folder of key files of its own, and removes every bus in it at the end.
func Home(t *testing.T) string {
	t.Helper()
	dir := testproc.Folder(t)
	t.Cleanup(func() {
		infos, err := bus.List(bus.WithDir(dir))
		require.NoError(t, err)
		for _, i := range infos {
			require.NoError(t, bus.Remove(i.Name, bus.WithDir(dir)))
		}
	})
	return dir
}

// Create makes a bus that is removed at the end of the test.
func Create(t *testing.T, name string, opts ...bus.Option) *bus.Bus {
	t.Helper()
	b, err := bus.Create(name, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// An Outcome is what a shell script did.
type Outcome struct {
	Stdout, Stderr string
	Code           int
	Took           time.Duration
}

// Shell runs a script in which the commands can be called by their names; it fails with the first
// failing member of a pipeline.
func Shell(t *testing.T, script string) Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", "set -o pipefail\n"+script)
	cmd.Env = append(os.Environ(), "PATH="+testproc.Bin()+string(filepath.ListSeparator)+os.Getenv("PATH"))
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
	return Outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode(), time.Since(begin)}
}

// Text is a buffer that may be written to and read at the same time.
type Text struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *Text) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *Text) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
