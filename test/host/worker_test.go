package host

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/test/procfs"
)

const (
	envRole = "SHMBUS_HOST_ROLE"
	busName = "host"
	// patience bounds every wait for a condition. It is for a machine that does ten other things.
	patience = 20 * time.Second
)

type cmd = exec.Cmd

// A report is a line that a worker writes: texts and numbers by name. An error that did not happen is "".
type report map[string]string

// A worker is a process of this test binary that plays a role.
type worker struct {
	t       *testing.T
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	reports chan report
	stderr  bytes.Buffer
	exited  chan struct{}
}

// start starts a worker. It is killed when the test ends.
func start(t *testing.T, role string, change ...func(*exec.Cmd)) *worker {
	t.Helper()
	w := &worker{t: t, cmd: exec.Command("/proc/self/exe"), reports: make(chan report, 64), exited: make(chan struct{})}
	w.cmd.Env = append(os.Environ(), envRole+"="+role)
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	w.cmd.Stderr = &w.stderr
	for _, f := range change {
		f(w.cmd)
	}
	var err error
	w.stdin, err = w.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := w.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, w.cmd.Start())
	t.Cleanup(w.kill)
	go func() {
		in := json.NewDecoder(bufio.NewReader(stdout))
		for {
			var r report
			if err := in.Decode(&r); err != nil {
				break
			}
			w.reports <- r
		}
		close(w.reports)
		w.cmd.Wait()
		close(w.exited)
	}()
	return w
}

// next returns the worker's next report.
func (w *worker) next() report {
	w.t.Helper()
	select {
	case r, ok := <-w.reports:
		if !ok {
			<-w.exited
			require.FailNow(w.t, "worker ended", "%v\n%s", w.cmd.ProcessState, w.stderr.String())
		}
		return r
	case <-time.After(patience):
		require.FailNow(w.t, "no report")
	}
	return nil
}

// tell lets the worker go on from await.
func (w *worker) tell() {
	w.t.Helper()
	_, err := io.WriteString(w.stdin, "\n")
	require.NoError(w.t, err)
}

// stop stops the worker, and returns when none of its threads runs any more.
func (w *worker) stop() {
	w.t.Helper()
	require.NoError(w.t, w.cmd.Process.Signal(unix.SIGSTOP))
	eventually(w.t, "the worker has stopped", func() bool { return procfs.AllThreads(w.cmd.Process.Pid, "T") })
}

func (w *worker) kill() {
	w.cmd.Process.Kill()
	w.wait()
}

// wait returns how the worker ended.
func (w *worker) wait() *os.ProcessState {
	for range w.reports {
	}
	select {
	case <-w.exited:
	case <-time.After(patience):
		w.t.Errorf("worker %d does not end", w.cmd.Process.Pid)
	}
	return w.cmd.ProcessState
}

// ask runs a worker that gives one report and ends.
func ask(t *testing.T, role string, change ...func(*exec.Cmd)) report {
	t.Helper()
	w := start(t, role, change...)
	r := w.next()
	w.stdin.Close()
	require.True(t, w.wait().Success(), "%v\n%s", w.cmd.ProcessState, w.stderr.String())
	return r
}

func env(name, value string) func(*exec.Cmd) {
	return func(c *exec.Cmd) { c.Env = append(c.Env, name+"="+value) }
}

func namespaces(flags uintptr) func(*exec.Cmd) {
	return func(c *exec.Cmd) { c.SysProcAttr.Cloneflags |= flags }
}

// work plays a role.
func work(role string) {
	play, ok := roles[role]
	if !ok {
		fmt.Fprintf(os.Stderr, "no such role: %q\n", role)
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience/2)
	defer cancel()
	soon = ctx
	play()
	os.Exit(0)
}

func say(r report) {
	if json.NewEncoder(os.Stdout).Encode(r) != nil {
		os.Exit(2)
	}
}

var orders = bufio.NewReader(os.Stdin)

// await waits for the order to go on.
func await() {
	if _, err := orders.ReadString('\n'); err != nil {
		os.Exit(0)
	}
}

// must ends a worker that can not play its role.
func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			require.FailNow(t, "not within "+patience.String(), what)
		}
	}
}
