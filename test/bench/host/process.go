package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"shmbus/test/bench/worker"
)

const (
	readyTimeout = 20 * time.Second
	quitTimeout  = 3 * time.Second
	killTimeout  = time.Second
)

// process is one worker.
type process struct {
	name  string // for errors
	role  string
	cpus  []int
	times int // as many messages as a run is of

	standsFor int // a process that it started

	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string // of its standard output; closed when that ends
	err   tail        // of its standard error
	ended chan struct{}
	exit  error // once ended
}

// start starts a worker of a contender that sees only the given processors, all if there are none.
func start(path string, args []string, contender, role string, cpus []int) (*process, error) {
	p := &process{
		name:  contender + " " + role,
		role:  role,
		cpus:  cpus,
		cmd:   exec.Command(path, args...),
		lines: make(chan string, 16),
		ended: make(chan struct{}),
	}
	// In a process group of its own it does not get the terminal's SIGINT: this process ends it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	p.cmd.Stderr = &p.err
	p.cmd.WaitDelay = killTimeout
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = stdin
	out, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout = w
	err = pinned(cpus, p.cmd.Start)
	w.Close()
	if err != nil {
		out.Close()
		return nil, err
	}
	go p.read(out)
	go func() {
		p.exit = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

func (p *process) read(out *os.File) {
	defer out.Close()
	defer close(p.lines)
	for s := bufio.NewScanner(out); s.Scan(); {
		p.lines <- s.Text()
	}
}

// await returns the rest of the next line, which must begin with verb.
func (p *process) await(ctx context.Context, verb string, timeout time.Duration) (string, error) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case line, ok := <-p.lines:
		if !ok {
			return "", p.died()
		}
		first, rest, _ := strings.Cut(line, " ")
		switch first {
		case verb:
			return rest, nil
		case "error":
			if reason, skipped := strings.CutPrefix(rest, "skipped: "); skipped {
				return "", fmt.Errorf("%s: %w: %s", p.name, worker.ErrSkipped, reason)
			}
			return "", fmt.Errorf("%s: %s", p.name, rest)
		}
		return "", fmt.Errorf("%s says %q where %q is expected", p.name, line, verb)
	case <-timer.C:
		return "", fmt.Errorf("%s hangs: no %q after %v", p.name, verb, timeout)
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// died says how a worker ended that should not have.
func (p *process) died() error {
	<-p.ended
	err := p.exit
	if err == nil {
		err = errors.New("exit status 0")
	}
	if text := p.err.String(); text != "" {
		return fmt.Errorf("%s ended: %w: %s", p.name, err, text)
	}
	return fmt.Errorf("%s ended: %w", p.name, err)
}

func (p *process) say(line string) error {
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		return fmt.Errorf("%s does not listen: %w", p.name, err)
	}
	return nil
}

// quit lets a worker clean up and end; one that does not is killed.
func (p *process) quit() error {
	p.say("quit")
	p.stdin.Close()
	if p.within(quitTimeout) {
		if p.exit != nil {
			return p.died()
		}
		return nil
	}
	p.kill()
	return fmt.Errorf("%s did not quit within %v", p.name, quitTimeout)
}

// kill ends a worker that has failed or whose partner has: it may be in a loop that never ends, and should clean up.
func (p *process) kill() {
	p.stdin.Close()
	p.cmd.Process.Signal(syscall.SIGTERM)
	if !p.within(killTimeout) {
		p.cmd.Process.Kill()
		<-p.ended
	}
}

func (p *process) within(d time.Duration) bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(d):
		return false
	}
}

// tail keeps the last bytes of what is written to it. It is read once its writer has ended.
type tail struct{ b []byte }

func (t *tail) Write(b []byte) (int, error) {
	const most = 2000
	t.b = append(t.b, b...)
	if len(t.b) > most {
		t.b = append(t.b[:0], t.b[len(t.b)-most:]...)
	}
	return len(b), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.b)) }
