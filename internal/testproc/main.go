//go:build linux

package testproc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"shmbus/internal/leak"
)

// Main runs a package's tests, or plays a role if this process is a worker, and exits. Tests that
// leave System V objects, goroutines or sleeping threads behind fail.
func Main(m leak.Runner, roles Roles) {
	Play(roles)
	leak.Main(m)
}

// commands is the folder of the commands that tests start.
var commands string

// Commands returns tests before which the commands with the given import paths are built.
func Commands(m leak.Runner, paths ...string) leak.Runner { return builder{m, paths} }

type builder struct {
	leak.Runner
	paths []string
}

func (b builder) Run() int {
	dir, err := os.MkdirTemp("", "shmbus-commands-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = os.Chmod(dir, 0o755) // every user can run them
	}
	if err == nil {
		build := exec.Command("go", append([]string{"build", "-o", dir}, b.paths...)...)
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		err = build.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "building the commands:", err)
		return 1
	}
	commands = dir
	return b.Runner.Run()
}

// Bin returns the folder of what [Commands] has built.
func Bin() string { return commands }

// Command returns one of the commands that [Commands] has built, not started yet.
func Command(name string, args ...string) *exec.Cmd {
	return exec.Command(filepath.Join(commands, name), args...)
}

// Folder makes a folder of key files of the test's own, which every user can search, and makes it
// the default.
func Folder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SHMBUS_DIR", dir)
	t.Setenv("SHMBUS_BUS", "")
	return dir
}
