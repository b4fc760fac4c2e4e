//go:build linux

package process

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/internal/testproc"
)

// A worker is a process that does a job.
type worker struct {
	*testproc.Worker
	t   testing.TB
	job job
}

// start starts a worker. It is killed when the test ends.
func start(t testing.TB, j job, change ...func(*exec.Cmd)) *worker {
	t.Helper()
	return &worker{testproc.Run(t, j.Role, j, change...), t, j}
}

// startAll starts workers side by side and returns when all are ready.
func startAll(t testing.TB, jobs ...job) []*worker {
	t.Helper()
	var ws []*worker
	for _, j := range jobs {
		ws = append(ws, start(t, j))
	}
	for _, w := range ws {
		w.expect("ready")
	}
	return ws
}

func tellAll(ws []*worker, order string) {
	for _, w := range ws {
		w.tell(order)
	}
}

// expect returns the next report of the given event.
func (w *worker) expect(event string) (r report) {
	w.t.Helper()
	w.Expect(w.t, event, &r)
	return r
}

// seen returns the reports of an event that were passed over so far.
func (w *worker) seen(event string) (list []report) {
	w.t.Helper()
	w.faultless()
	for _, e := range w.Past {
		var r report
		require.NoError(w.t, e.Into(&r))
		if e.Name == event {
			list = append(list, r)
		}
	}
	return list
}

func (w *worker) faultless() {
	w.t.Helper()
	require.NoError(w.t, w.Faultless())
}

func (w *worker) tell(order string) {
	w.t.Helper()
	require.NoError(w.t, w.Tell(order))
}

func (w *worker) exit() {
	w.t.Helper()
	w.Exit(w.t)
}

// signalKill sends SIGKILL and does not wait.
func (w *worker) signalKill() {
	w.EndExpected = true
	w.Signal(unix.SIGKILL)
}

// killKeeping kills the worker and checks what it has reported.
func (w *worker) killKeeping() {
	w.t.Helper()
	require.NoError(w.t, w.KillAndCheck())
}

func (w *worker) stop() {
	w.t.Helper()
	require.NoError(w.t, w.Stop())
}

func (w *worker) cont() {
	w.t.Helper()
	require.NoError(w.t, w.Continue())
}
