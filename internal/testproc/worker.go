//go:build linux

package testproc

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"shmbus/internal/testload"
)

// Environment of a worker.
const (
	envRole = "SHMBUS_TEST_ROLE"
	envJob  = "SHMBUS_TEST_JOB"
)

// fault is the event that says that a worker has seen a promise broken.
const fault = "fault"

// An Event is what a worker reports.
type Event struct {
	Name string          `json:"event"`
	Data json.RawMessage `json:"data,omitempty"`
}

// A Worker is a process of this program that plays a role.
type Worker struct {
	*Process
	Role string
	// Past are the events that were passed over while another was waited for.
	Past []Event
}

// Program returns this program as a worker that plays a role, not started yet.
func Program(role string, job any) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), Environment(role, job)...)
	return cmd
}

// Environment returns what makes a process of this program play a role, to be appended to its
// environment.
func Environment(role string, job any) []string {
	text, err := json.Marshal(job)
	if err != nil {
		panic(err)
	}
	return []string{envRole + "=" + role, envJob + "=" + string(text)}
}

// Start starts a worker. Each change is made to the command before.
func Start(role string, job any, changes ...func(*exec.Cmd)) (*Worker, error) {
	cmd := Program(role, job)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	for _, change := range changes {
		change(cmd)
	}
	p, err := Launch(cmd)
	if err != nil {
		return nil, fmt.Errorf("starting a worker as %s: %w", role, err)
	}
	return &Worker{Process: p, Role: role}, nil
}

// Run starts a worker that is killed when the test ends.
func Run(t testing.TB, role string, job any, changes ...func(*exec.Cmd)) *Worker {
	t.Helper()
	w, err := Start(role, job, changes...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Kill)
	return w
}

// Env is a change that adds to the environment.
func Env(name, value string) func(*exec.Cmd) {
	return func(c *exec.Cmd) { c.Env = append(c.Env, name+"="+value) }
}

func (w *Worker) String() string { return fmt.Sprintf("%s (pid %d)", w.Role, w.PID()) }

// parse turns a line into an event. A line that is none is a fault.
func (w *Worker) parse(line string) (e Event, err error) {
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		return e, fmt.Errorf("%s says %q: %w", w, line, err)
	}
	return e, nil
}

func (e Event) fault() error {
	if e.Name != fault {
		return nil
	}
	var text string
	e.Into(&text)
	return fmt.Errorf("%s", text)
}

// Into decodes the event's data, as in json.Unmarshal, if there are any.
func (e Event) Into(v any) error {
	if len(e.Data) == 0 {
		return nil
	}
	return json.Unmarshal(e.Data, v)
}

// Await returns the next event of the given name, and moves others to Past. It is an error if the
// worker reports a fault or ends before, or takes longer than d.
func (w *Worker) Await(name string, d time.Duration) (Event, error) {
	for late := time.After(d); ; {
		select {
		case line, open := <-w.Lines:
			if !open {
				err := fmt.Errorf("%s ended before it reported %q: %s", w.Role, name, w.End())
				return Event{}, err
			}
			e, err := w.parse(line)
			if err == nil && e.Name == name {
				return e, nil
			}
			if err == nil {
				err = e.fault()
			}
			if err != nil {
				return e, fmt.Errorf("%s: %w", w, err)
			}
			w.Past = append(w.Past, e)
		case <-late:
			return Event{}, fmt.Errorf("%s has not reported %q within %v: its state is %q, before came %s",
				w, name, d, State(w.PID()), w.Past)
		}
	}
}

// Expect is Await in a test. It decodes the event's data into v, if that is given.
func (w *Worker) Expect(t testing.TB, name string, v ...any) {
	t.Helper()
	e, err := w.Await(name, testload.Patience())
	for _, into := range v {
		if err == nil {
			err = e.Into(into)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Faultless moves what the worker has reported to Past, without waiting. It is an error if that has
// a fault, or if the worker has ended and is not EndExpected.
func (w *Worker) Faultless() error {
	for {
		select {
		case line, open := <-w.Lines:
			if !open && !w.EndExpected {
				return fmt.Errorf("%s ended by itself: %s", w.Role, w.End())
			}
			if !open {
				return nil
			}
			e, err := w.parse(line)
			if err == nil {
				err = e.fault()
			}
			if err != nil {
				return fmt.Errorf("%s: %w", w, err)
			}
			w.Past = append(w.Past, e)
		default:
			return nil
		}
	}
}

// KillAndCheck kills the worker and moves what it has reported to Past. It is an error if that has
// a fault.
func (w *Worker) KillAndCheck() error {
	w.EndExpected = true
	w.Cmd.Process.Kill()
	return w.drain()
}

// drain reads what the worker reports until it is gone.
func (w *Worker) drain() (err error) {
	late := time.After(testload.Patience())
	for {
		select {
		case line, open := <-w.Lines:
			if !open {
				<-w.Ended
				return err
			}
			e, bad := w.parse(line)
			if bad == nil {
				bad = e.fault()
			}
			if bad != nil && err == nil {
				err = fmt.Errorf("%s: %w", w, bad)
			}
			w.Past = append(w.Past, e)
		case <-late:
			return fmt.Errorf("%s does not end: its state is %q", w, State(w.PID()))
		}
	}
}

// Leave makes the worker exit in good order. It is an error if it does not, reports a fault or
// exits with another code than 0.
func (w *Worker) Leave() error {
	w.EndExpected = true
	if err := w.Tell("exit"); err != nil {
		return err
	}
	return w.Success()
}

// Success waits until the worker has ended. It is an error if it reports a fault or has another
// exit code than 0.
func (w *Worker) Success() error {
	if err := w.drain(); err != nil {
		return err
	}
	if !w.Cmd.ProcessState.Success() {
		return fmt.Errorf("%s failed: %s", w.Role, w.End())
	}
	return nil
}

// Exit is Leave in a test.
func (w *Worker) Exit(t testing.TB) {
	t.Helper()
	if err := w.Leave(); err != nil {
		t.Fatal(err)
	}
}
