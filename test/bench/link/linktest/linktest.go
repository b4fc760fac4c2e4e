// Package linktest runs workers of a test binary against each other, for tests of contenders.
package linktest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"shmbus/internal/testproc"
	"shmbus/test/bench/link"
	"shmbus/test/bench/worker"
)

// A Runner is a *testing.M, or what goes on top of one.
type Runner interface{ Run() int }

// Main is a TestMain: the test binary is a worker when it is started as one.
func Main(m Runner) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		os.Exit(worker.Main(os.Args[2:], os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

// WithServer is tests of contenders that need the NATS server: it is built for them.
func WithServer(m Runner) Runner {
	return testproc.Commands(server{m}, "shmbus/test/bench/natsserver")
}

type server struct{ Runner }

func (s server) Run() int {
	os.Setenv(link.ServerVariable, filepath.Join(testproc.Bin(), "natsserver"))
	return s.Runner.Run()
}

// A Worker is a worker process.
type Worker struct {
	*testproc.Process
	t    *testing.T
	name string
}

// Start starts a worker and waits until it is ready. A worker that says skipped skips the test.
func Start(t *testing.T, argv ...string) *Worker {
	t.Helper()
	p, err := testproc.Launch(exec.Command(argv[0], argv[1:]...))
	if err != nil {
		t.Fatal(err)
	}
	w := &Worker{p, t, strings.Join(argv[1:], " ")}
	t.Cleanup(func() {
		w.HangUp()
		w.end()
		if !w.EndExpected && !w.Cmd.ProcessState.Success() && !t.Failed() && !t.Skipped() {
			t.Errorf("%s: %s", w.name, w.Process.End())
		}
	})
	w.line("ready")
	return w
}

// end waits for the end of the worker.
func (w *Worker) end() {
	w.t.Helper()
	if !w.Wait(5 * time.Second) {
		w.t.Errorf("%s does not end", w.name)
		w.Kill()
	}
}

// Self is the command line of a worker in this test binary.
func Self(contender, role string, params ...string) []string {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return append([]string{self, "worker", contender, role}, params...)
}

// line waits for a line that begins with a word.
func (w *Worker) line(word string) string {
	w.t.Helper()
	select {
	case l := <-w.Lines:
		if strings.HasPrefix(l, "error skipped") {
			w.t.Skipf("%s: %s", w.name, l)
		}
		if !strings.HasPrefix(l, word) {
			w.t.Fatalf("%s: %q instead of %s: %s", w.name, l, word, w.Stderr())
		}
		return l
	case <-time.After(60 * time.Second):
		w.t.Fatalf("%s: no answer", w.name)
		return ""
	}
}

// Terminate ends the worker by SIGTERM, and returns when it has ended.
func (w *Worker) Terminate() {
	w.t.Helper()
	w.EndExpected = true
	w.Signal(syscall.SIGTERM)
	w.end()
}

// Begin begins a run of n.
func (w *Worker) Begin(n int) { w.Tell("run " + strconv.Itoa(n)) }

// End waits for the end of the run and returns what it reports. The run must have been without
// fault.
func (w *Worker) End() worker.Params {
	w.t.Helper()
	p, err := worker.ParseParams(strings.Fields(w.line("ran"))[1:])
	if err != nil {
		w.t.Fatal(err)
	}
	if p["bad"] != "0" || p["lost"] != "0" {
		w.t.Errorf("%s: bad=%s lost=%s", w.name, p["bad"], p["lost"])
	}
	return p
}

// number returns one of the numbers that were reported.
func number(t *testing.T, p worker.Params, key string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(p[key], 10, 64)
	if err != nil {
		t.Fatalf("%s=%s", key, p[key])
	}
	return n
}

// OneWay has n messages sent and received, and logs how fast.
func OneWay(t *testing.T, send, recv *Worker, n int) {
	t.Helper()
	recv.Begin(n)
	send.Begin(n)
	s, r := send.End(), recv.End()
	ns := number(t, r, "end") - number(t, s, "start")
	t.Logf("%.0f messages/s, %d ns each", float64(n)*1e9/float64(ns), ns/int64(n))
}

// RoundTrip has n messages sent there and back, and logs how fast.
func RoundTrip(t *testing.T, ping, pong *Worker, n int) {
	t.Helper()
	pong.Begin(n)
	ping.Begin(n)
	p := ping.End()
	pong.End()
	t.Logf("%d ns a round trip", (number(t, p, "end")-number(t, p, "start"))/int64(n))
	if p["samples"] == "" {
		t.Error("no samples")
	} else if info, err := os.Stat(p["samples"]); err != nil || info.Size() != 4*int64(n) {
		t.Errorf("samples: %v, %v", info, err)
	}
}
