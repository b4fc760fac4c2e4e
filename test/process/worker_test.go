package process

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/test/procfs"
)

// patience bounds every wait for a condition. It is for a machine that does ten other things.
const patience = 20 * time.Second

// A worker is a process that does a job.
type worker struct {
	t       testing.TB
	cmd     *exec.Cmd
	job     job
	stdin   io.WriteCloser
	reports chan report
	past    []report // that expect passed over
	exited  chan struct{}
	stderr  bytes.Buffer
	killed  bool
}

// start starts a worker. It is killed when the test ends.
func start(t testing.TB, j job, change ...func(*exec.Cmd)) *worker {
	t.Helper()
	text, err := json.Marshal(j)
	require.NoError(t, err)
	w := &worker{t: t, job: j, reports: make(chan report, 4096), exited: make(chan struct{})}
	w.cmd = exec.Command("/proc/self/exe")
	w.cmd.Env = append(os.Environ(), envJob+"="+string(text))
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	w.cmd.Stderr = &w.stderr
	for _, f := range change {
		f(w.cmd)
	}
	w.stdin, err = w.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := w.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, w.cmd.Start())
	t.Cleanup(w.kill)
	go func() {
		lines := bufio.NewScanner(stdout)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var r report
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				r = report{Event: "fault", Error: fmt.Sprintf("%q: %v", lines.Text(), err)}
			}
			w.reports <- r
		}
		close(w.reports)
		w.cmd.Wait()
		close(w.exited)
	}()
	return w
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

func (w *worker) pid() int { return w.cmd.Process.Pid }

func (w *worker) String() string {
	return fmt.Sprintf("%s %d (pid %d)", w.job.Role, w.job.ID, w.pid())
}

// expect returns the next report of the given event. Others are kept in past.
func (w *worker) expect(event string) report {
	w.t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case r, ok := <-w.reports:
			switch {
			case !ok:
				<-w.exited
				require.FailNowf(w.t, "worker ended", "%s ended (%v) before it reported %q\n%s", w, w.cmd.ProcessState, event, w.stderr.String())
			case r.Event == "fault" && event != "fault":
				require.FailNowf(w.t, "fault", "%s: %s", w, r.Error)
			case r.Event == event:
				return r
			}
			w.past = append(w.past, r)
		case <-deadline:
			require.FailNowf(w.t, "no report", "%s did not report %q; state %s, before: %+v", w, event, procfs.State(w.pid()), w.past)
		}
	}
}

// faultless fails the test if the worker has reported a fault or has ended by itself.
func (w *worker) faultless() {
	w.t.Helper()
	for {
		select {
		case r, ok := <-w.reports:
			if !ok {
				<-w.exited
				require.True(w.t, w.killed, "%s ended: %v\n%s", w, w.cmd.ProcessState, w.stderr.String())
				return
			}
			require.NotEqual(w.t, "fault", r.Event, "%s: %s", w, r.Error)
			w.past = append(w.past, r)
		default:
			return
		}
	}
}

// seen counts the reports of an event so far.
func (w *worker) seen(event string) int {
	w.faultless()
	return len(slices.DeleteFunc(slices.Clone(w.past), func(r report) bool { return r.Event != event }))
}

func (w *worker) tell(order string) {
	w.t.Helper()
	_, err := io.WriteString(w.stdin, order+"\n")
	require.NoError(w.t, err, "%s", w)
}

// exit makes the worker leave in good order.
func (w *worker) exit() {
	w.t.Helper()
	w.tell("exit")
	for open := true; open; {
		select {
		case r, ok := <-w.reports:
			open = ok
			require.NotEqual(w.t, "fault", r.Event, "%s: %s", w, r.Error)
		case <-time.After(patience):
			require.FailNowf(w.t, "worker does not exit", "%s, state %s", w, procfs.State(w.pid()))
		}
	}
	<-w.exited
	require.True(w.t, w.cmd.ProcessState.Success(), "%s: %v\n%s", w, w.cmd.ProcessState, w.stderr.String())
}

// signalKill sends SIGKILL and does not wait.
func (w *worker) signalKill() {
	w.killed = true
	w.cmd.Process.Signal(unix.SIGKILL)
}

// kill sends SIGKILL and waits until the process is gone.
func (w *worker) kill() {
	w.signalKill()
	for open := true; open; {
		_, open = <-w.reports
	}
	<-w.exited
}

// killKeeping is kill that checks what the worker has reported.
func (w *worker) killKeeping() {
	w.t.Helper()
	w.signalKill()
	for r := range w.reports {
		require.NotEqual(w.t, "fault", r.Event, "%s: %s", w, r.Error)
		w.past = append(w.past, r)
	}
	<-w.exited
}

// stop sends SIGSTOP and waits until all threads have stopped.
func (w *worker) stop() {
	w.t.Helper()
	require.NoError(w.t, w.cmd.Process.Signal(unix.SIGSTOP))
	eventually(w.t, func() bool { return procfs.AllThreads(w.pid(), "T") }, "%s does not stop", w)
}

func (w *worker) cont() {
	w.t.Helper()
	require.NoError(w.t, w.cmd.Process.Signal(unix.SIGCONT))
}

// eventually waits until the condition holds.
func eventually(t testing.TB, condition func() bool, format string, a ...any) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for pause := 20 * time.Microsecond; !condition(); pause = min(2*pause, 2*time.Millisecond) {
		if time.Now().After(deadline) {
			require.FailNowf(t, "not within "+patience.String(), format, a...)
		}
		time.Sleep(pause)
	}
}
