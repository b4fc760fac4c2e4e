package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A child is a process of the demo.
type child struct {
	name    string
	cmd     *exec.Cmd
	pid     int
	stdin   io.WriteCloser // nil if it reads a file
	stderr  tail
	onLine  func([]byte) // what to do with a line of its standard output
	finite  bool         // it ends by itself, with code 0
	done    chan struct{}
	err     error       // how it ended, once done is closed
	excused atomic.Bool // its end, however it comes, is part of the demo
	stopped atomic.Bool
}

// A spawner starts processes from one thread, which lives as long as this process: the signal that
// a child gets when its parent dies is in truth sent when the parent's thread does.
type spawner chan func()

func newSpawner() spawner {
	s := make(spawner)
	go func() {
		runtime.LockOSThread()
		for f := range s {
			f()
		}
	}()
	return s
}

// start starts a process that dies with this one. ended is called when it is gone.
func (s spawner) start(c *child, ended func(*child)) error {
	c.done = make(chan struct{})
	c.cmd.Stderr = &c.stderr
	// In a process group of its own a child does not get the terminal's SIGINT, which is for the demo.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL, Setpgid: true}
	c.cmd.WaitDelay = time.Second
	var err error
	var out *os.File
	if c.cmd.Stdin == nil {
		if c.stdin, err = c.cmd.StdinPipe(); err != nil {
			return err
		}
	}
	if c.onLine != nil {
		var w *os.File
		if out, w, err = os.Pipe(); err != nil {
			return err
		}
		defer w.Close()
		c.cmd.Stdout = w
	}
	result := make(chan error)
	s <- func() { result <- c.cmd.Start() }
	if err := <-result; err != nil {
		if out != nil {
			out.Close()
		}
		return err
	}
	c.pid = c.cmd.Process.Pid
	go func() {
		if out != nil {
			lines := bufio.NewScanner(out)
			lines.Buffer(nil, 1<<20)
			for lines.Scan() {
				c.onLine(lines.Bytes())
			}
			out.Close()
		}
		c.err = c.cmd.Wait()
		close(c.done)
		ended(c)
	}()
	return nil
}

// tell sends a line to the standard input of a role.
func (c *child) tell(what string) { _, _ = io.WriteString(c.stdin, what+"\n") }

// hangUp closes the standard input of a role, on which it finishes.
func (c *child) hangUp() {
	c.excused.Store(true)
	if c.stdin != nil {
		_ = c.stdin.Close()
	}
}

func (c *child) signal(s os.Signal) { _ = c.cmd.Process.Signal(s) }

func (c *child) stop() {
	c.stopped.Store(true)
	c.signal(unix.SIGSTOP)
}

func (c *child) resume() {
	c.signal(unix.SIGCONT)
	c.stopped.Store(false)
}

// kill kills it as part of the demo, and returns when.
func (c *child) kill() time.Time {
	c.excused.Store(true)
	at := time.Now()
	c.signal(unix.SIGKILL)
	return at
}

// wait reports whether the process ended in time.
func (c *child) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c.done:
		return true
	case <-t.C:
		return false
	}
}

func (c *child) running() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// failure describes an end that was not part of the demo.
func (c *child) failure() error {
	how := "it ended early"
	if c.err != nil {
		how = c.err.Error()
	}
	if said := c.stderr.last(); said != "" && c.exitCode() > 0 {
		how += ": " + said
	}
	return fmt.Errorf("%s (pid %d): %s", c.name, c.pid, how)
}

// exitCode returns the code, or -1 for a process that did not exit by itself.
func (c *child) exitCode() int {
	var exit *exec.ExitError
	if c.err == nil {
		return 0
	} else if errors.As(c.err, &exit) {
		return exit.ExitCode()
	}
	return -1
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - 4096; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(t.buf), []byte("\n"))
	return strings.TrimSpace(string(lines[len(lines)-1]))
}
