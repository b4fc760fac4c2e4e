//go:build linux

package host

import (
	"context"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/internal/testload"
	"shmbus/internal/testproc"
)

const busName = "host"

// soon ends the calls of a worker long before its test gives up.
var soon context.Context

func TestMain(m *testing.M) {
	ctx, cancel := context.WithTimeout(context.Background(), testload.Patience()/2)
	defer cancel()
	soon = ctx
	testproc.Main(testproc.Commands(m, "shmbus/cmd/busd", "shmbus/cmd/bussub"), roles)
}

// A report is what a worker says: texts and numbers by name. An error that did not happen is "".
type report map[string]string

// A worker is a process of this test binary that plays a role, for which the environment has more
// to say.
type worker struct {
	*testproc.Worker
	t *testing.T
}

// start starts a worker. It is killed when the test ends.
func start(t *testing.T, role string, change ...func(*exec.Cmd)) *worker {
	t.Helper()
	return &worker{testproc.Run(t, role, nil, change...), t}
}

// next returns the worker's next report.
func (w *worker) next() (r report) {
	w.t.Helper()
	w.Expect(w.t, "report", &r)
	return r
}

// ask runs a worker that gives one report and ends.
func ask(t *testing.T, role string, change ...func(*exec.Cmd)) report {
	t.Helper()
	w := start(t, role, change...)
	r := w.next()
	require.NoError(t, w.Success())
	return r
}

func namespaces(flags uintptr) func(*exec.Cmd) {
	return func(c *exec.Cmd) { c.SysProcAttr.Cloneflags |= flags }
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
