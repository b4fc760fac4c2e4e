//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"shmbus/internal/testproc"
)

// A child is a process of the demo, which dies with it.
type child struct {
	*testproc.Process
	name    string
	cmd     *exec.Cmd
	onLine  func(string) // what to do with a line of its standard output
	finite  bool         // it ends by itself, with code 0
	excused atomic.Bool  // its end, however it comes, is part of the demo
	stopped atomic.Bool
}

// start starts a process. ended is called when it is gone.
func (c *child) start(ended func(*child)) (err error) {
	// In a process group of its own a child does not get the terminal's SIGINT, which is for the
	// demo.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.Process, err = testproc.Launch(c.cmd); err != nil {
		return err
	}
	go func() {
		if c.Lines != nil {
			for line := range c.Lines {
				if c.onLine != nil {
					c.onLine(line)
				}
			}
		}
		<-c.Ended
		ended(c)
	}()
	return nil
}

// hangUp closes the standard input of a role, on which it finishes.
func (c *child) hangUp() {
	c.excused.Store(true)
	c.HangUp()
}

func (c *child) signal(s os.Signal) { _ = c.Signal(s) }

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
	select {
	case <-c.Ended:
		return true
	case <-time.After(d):
		return false
	}
}

// failure describes an end that was not part of the demo.
func (c *child) failure() error {
	how := "it ended early"
	if !c.Cmd.ProcessState.Success() {
		how = c.Cmd.ProcessState.String()
	}
	said := strings.Split(strings.TrimSpace(c.Stderr()), "\n")
	if last := said[len(said)-1]; last != "" && c.exitCode() > 0 {
		how += ": " + last
	}
	return fmt.Errorf("%s (pid %d): %s", c.name, c.PID(), how)
}

// exitCode returns the code, or -1 for a process that has not exited by itself.
func (c *child) exitCode() int {
	if c.Running() {
		return -1
	}
	return c.Cmd.ProcessState.ExitCode()
}
