package host

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"shmbus/internal/testproc"
	"shmbus/test/bench/worker"
)

const (
	readyTimeout = 20 * time.Second
	quitTimeout  = 3 * time.Second
	killTimeout  = time.Second
)

// process is one worker.
type process struct {
	*testproc.Process
	name  string // for errors
	role  string
	cpus  []int
	times int // as many messages as a run is of

	standsFor int // a process that it started
}

// start starts a worker of a contender that sees only the given processors, all if there are none.
func start(path string, args []string, contender, role string, cpus []int) (*process, error) {
	p := &process{name: contender + " " + role, role: role, cpus: cpus}
	cmd := exec.Command(path, args...)
	// In a process group of its own it does not get the terminal's SIGINT: this process ends it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	return p, pinned(cpus, func() (err error) {
		p.Process, err = testproc.Launch(cmd)
		return err
	})
}

// await returns the rest of the next line, which must begin with verb.
func (p *process) await(ctx context.Context, verb string, timeout time.Duration) (string, error) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case line, ok := <-p.Lines:
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
	<-p.Ended
	said := strings.TrimSpace(p.Stderr())
	const most = 2000
	if said = said[max(len(said)-most, 0):]; said != "" {
		said = ": " + said
	}
	return fmt.Errorf("%s ended: %v%s", p.name, p.Cmd.ProcessState, said)
}

func (p *process) say(line string) error {
	if err := p.Tell(line); err != nil {
		return fmt.Errorf("%s does not listen: %w", p.name, err)
	}
	return nil
}

// quit lets a worker clean up and end; one that does not is killed.
func (p *process) quit() error {
	p.say("quit")
	p.HangUp()
	if p.Wait(quitTimeout) {
		if !p.Cmd.ProcessState.Success() {
			return p.died()
		}
		return nil
	}
	p.kill()
	return fmt.Errorf("%s did not quit within %v", p.name, quitTimeout)
}

// kill ends a worker that has failed or whose partner has: it may be in a loop that never ends, and
// should clean up.
func (p *process) kill() {
	p.HangUp()
	p.Signal(syscall.SIGTERM)
	if !p.Wait(killTimeout) {
		p.Kill()
	}
}
