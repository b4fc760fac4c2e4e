//go:build linux

// Package cmd tests the commands together, as a shell calls them: each file in testdata/script is a
// session.
package cmd

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"shmbus/bus"
	"shmbus/internal/testload"
	"shmbus/internal/testproc"
)

func TestMain(m *testing.M) {
	const cmd = "shmbus/cmd/"
	testproc.Main(testproc.Commands(m, cmd+"busd", cmd+"buspub", cmd+"bussub"), nil)
}

// A session has a folder of key files of its own, and leaves no bus there.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Deadline:            time.Now().Add(3 * testload.Patience()),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
		},
		Setup: func(e *testscript.Env) error {
			keys := filepath.Join(e.WorkDir, "keys")
			e.Setenv("PATH", testproc.Bin()+string(filepath.ListSeparator)+os.Getenv("PATH"))
			e.Setenv("SHMBUS_DIR", keys)
			e.Defer(func() {
				left, err := bus.List(bus.WithDir(keys))
				for _, i := range left {
					err = errors.Join(err, errors.New("the session has left bus "+i.Name),
						bus.Remove(i.Name, bus.WithDir(keys)))
				}
				if err != nil {
					e.T().Fatal(err)
				}
			})
			return nil
		},
	})
}

// exits is the script command "exits CODE PROGRAM [ARGUMENT…]": exec, and the exit code is to be
// this one.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARGUMENT…]")
	}
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if want, err := strconv.Atoi(args[0]); err != nil || code != want {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}
