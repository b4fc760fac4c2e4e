//go:build linux

package testproc

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"shmbus/internal/testload"
)

// A Process is a program that was started with pipes, and dies with its parent.
type Process struct {
	Cmd *exec.Cmd
	// Lines are those of its standard output, closed when that ends; nil if the caller has set
	// Cmd.Stdout. Up to 4,096 lines wait to be read. The process blocks when it writes more, and
	// Ended is closed after the last of them was taken.
	Lines chan string
	// Ended is closed when the process is gone.
	Ended chan struct{}
	// EndExpected says that the process is to end, so that its end is no failure.
	EndExpected bool

	in     io.WriteCloser // nil if the caller has set Cmd.Stdin
	stderr text
}

// Launch starts a command.
func Launch(cmd *exec.Cmd) (*Process, error) {
	p := &Process{Cmd: cmd, Ended: make(chan struct{})}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	if cmd.SysProcAttr.Pdeathsig == 0 {
		cmd.SysProcAttr.Pdeathsig = unix.SIGKILL
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &p.stderr
	}
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = time.Second // for what it has started and left behind
	}
	var err error
	if cmd.Stdin == nil {
		if p.in, err = cmd.StdinPipe(); err != nil {
			return nil, err
		}
	}
	var out, w *os.File
	if cmd.Stdout == nil {
		if out, w, err = os.Pipe(); err != nil {
			return nil, err
		}
		cmd.Stdout, p.Lines = w, make(chan string, 4096)
	}
	err = cmd.Start()
	if w != nil {
		w.Close()
	}
	if err != nil {
		if out != nil {
			out.Close()
		}
		return nil, err
	}
	go func() {
		if out != nil {
			lines := bufio.NewScanner(out)
			lines.Buffer(nil, 1<<20)
			for lines.Scan() {
				p.Lines <- lines.Text()
			}
			out.Close()
			close(p.Lines)
		}
		cmd.Wait()
		close(p.Ended)
	}()
	return p, nil
}

// PID returns the process's number.
func (p *Process) PID() int { return p.Cmd.Process.Pid }

// Stderr returns what the process has written to its standard error, without the middle if that is
// very much.
func (p *Process) Stderr() string { return p.stderr.String() }

// Tell writes a line to the standard input of the process.
func (p *Process) Tell(line string) error {
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		return fmt.Errorf("process %d takes no orders: %w", p.PID(), err)
	}
	return nil
}

// HangUp closes the standard input of the process.
func (p *Process) HangUp() {
	if p.in != nil {
		p.in.Close()
	}
}

// Signal sends a signal.
func (p *Process) Signal(s os.Signal) error { return p.Cmd.Process.Signal(s) }

// Stop sends SIGSTOP and returns when all threads have stopped.
func (p *Process) Stop() error {
	if err := p.Signal(unix.SIGSTOP); err != nil {
		return err
	}
	if !testload.Within(testload.Patience(), p.Stopped) {
		return fmt.Errorf("process %d does not stop: its state is %q", p.PID(), State(p.PID()))
	}
	return nil
}

// Stopped reports whether all threads of the process are stopped.
func (p *Process) Stopped() bool { return AllThreads(p.PID(), "T") }

// Continue sends SIGCONT.
func (p *Process) Continue() error { return p.Signal(unix.SIGCONT) }

// Running reports whether the process is there.
func (p *Process) Running() bool {
	select {
	case <-p.Ended:
		return false
	default:
		return true
	}
}

// Kill sends SIGKILL and returns when the process is gone. Lines that were not read are dropped.
func (p *Process) Kill() {
	p.EndExpected = true
	p.Cmd.Process.Kill()
	p.HangUp()
	for range p.Lines {
	}
	<-p.Ended
}

// Wait reports whether the process ends within d. Lines that were not read are dropped.
func (p *Process) Wait(d time.Duration) bool {
	late := time.After(d)
	for lines := p.Lines; ; {
		select {
		case _, open := <-lines:
			if !open {
				lines = nil
			}
		case <-p.Ended:
			return true
		case <-late:
			return false
		}
	}
}

// Signaled returns the signal that has ended the process, 0 if it has exited.
func (p *Process) Signaled() syscall.Signal {
	if ws, ok := p.Cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return ws.Signal()
	}
	return 0
}

// End says how the process has ended, and what it wrote to its standard error.
func (p *Process) End() string {
	<-p.Ended
	how := fmt.Sprintf("process %d: %v\n%s", p.PID(), p.Cmd.ProcessState, p.Stderr())
	return strings.TrimSpace(how)
}

// text keeps the beginning and the end of what is written to it.
type text struct {
	mu          sync.Mutex
	first, last []byte
}

// keep is how many bytes of each are kept.
const keep = 1 << 18

func (t *text) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(keep-len(t.first), len(b))
	t.first = append(t.first, b[:n]...)
	t.last = append(t.last, b[n:]...)
	if over := len(t.last) - keep; over > 0 {
		t.last = append(t.last[:0], t.last[over:]...)
	}
	return len(b), nil
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.first) + string(t.last)
}
