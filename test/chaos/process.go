package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"shmbus/internal/fault"
)

// A process is one that the coordinator has started.
type process struct {
	job
	pid     int
	place   *place
	fault   string // what was ordered to happen to it
	started time.Time

	killed   time.Duration // when SIGKILL was sent, by [clock]; 0: not
	leaving  bool          // SIGTERM was sent
	stopped  bool
	resume   time.Time // when a stopped one goes on
	retires  time.Time // when it is sent away; zero: perhaps never
	awake    time.Time // when it was continued last
	noticed  bool      // busd: its client was seen
	expect   *expectation
	progress uint64 // publishers: messages when that changed last
	since    time.Time
}

func (p *process) String() string { return fmt.Sprintf("%v (pid %d, fault %q)", p.job, p.pid, p.fault) }

// A place is where a process leaves what others look at after its death. It is used again and again.
type place struct {
	diary  diary
	path   string // of the diary
	stderr string
	report string // of package fault
}

// A nursery starts processes and learns how they end.
type nursery struct {
	dir  string
	free []*place
	n    int

	changes chan change // of any child
	spawned chan struct{}
	quit    chan struct{}
	done    chan struct{}
}

// A change is a child's end, or its stop.
type change struct {
	pid    int
	status unix.WaitStatus
}

func newNursery(dir string) *nursery {
	n := &nursery{dir: dir, changes: make(chan change, 1024), spawned: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	go n.reap()
	return n
}

// reap waits for all children at once.
func (n *nursery) reap() {
	defer close(n.done)
	for {
		var c change
		var err error
		c.pid, err = unix.Wait4(-1, &c.status, unix.WUNTRACED, nil)
		switch {
		case err == nil:
			n.changes <- c
		case err == unix.EINTR:
		default: // no child
			select {
			case <-n.spawned:
			case <-n.quit:
				return
			}
		}
	}
}

// close is called when no child is left.
func (n *nursery) close() {
	close(n.quit)
	<-n.done
	for _, p := range n.free {
		p.diary.unmap()
	}
}

func (n *nursery) place() (*place, error) {
	if last := len(n.free) - 1; last >= 0 {
		p := n.free[last]
		n.free = n.free[:last]
		return p, nil
	}
	n.n++
	base := filepath.Join(n.dir, fmt.Sprintf("%02d", n.n))
	p := &place{path: base + ".diary", stderr: base + ".stderr", report: base + ".fault"}
	var err error
	p.diary, err = openDiary(p.path)
	return p, err
}

// start starts a process. The calling thread must live as long as it: the death of the thread kills the process.
func (n *nursery) start(p *process, program string, args []string, env ...string) error {
	var err error
	if p.place, err = n.place(); err != nil {
		return err
	}
	p.place.diary.clear()
	os.Remove(p.place.report)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	stderr, err := os.Create(p.place.stderr)
	if err != nil {
		return err
	}
	defer stderr.Close()
	all := append(clean(os.Environ()), "SHMBUS_DIR="+n.dir, "SHMBUS_FAULT_FILE="+p.place.report)
	if p.fault != "" {
		all = append(all, "SHMBUS_FAULT="+p.fault, fmt.Sprintf("SHMBUS_FAULT_SEED=%d", p.Seed))
	}
	p.Diary = p.place.path
	if program == self {
		all = append(all, envJob+"="+p.job.encode())
	}
	p.pid, err = syscall.ForkExec(program, append([]string{filepath.Base(program)}, args...), &syscall.ProcAttr{
		Env: append(all, env...), Files: []uintptr{null.Fd(), null.Fd(), stderr.Fd()},
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL},
	})
	p.started, p.awake, p.since = time.Now(), time.Now(), time.Now()
	select {
	case n.spawned <- struct{}{}:
	default:
	}
	return err
}

const self = "/proc/self/exe"

// clean drops what is meant for the coordinator.
func clean(env []string) []string {
	var out []string
	for _, e := range env {
		if !strings.HasPrefix(e, "SHMBUS_") || strings.HasPrefix(e, "SHMBUS_LEAK") {
			out = append(out, e)
		}
	}
	return out
}

func (p *process) signal(s unix.Signal) { unix.Kill(p.pid, s) }

func (p *process) kill() {
	p.killed = clock()
	p.signal(unix.SIGKILL)
}

func (p *process) leave() {
	p.leaving = true
	p.signal(unix.SIGTERM)
}

// faults reads what package fault has noted.
func (p *process) faults() fault.Report {
	r, _ := fault.ReadReport(p.place.report)
	return r
}

func (p *process) stderr() string {
	b, _ := os.ReadFile(p.place.stderr)
	return strings.TrimSpace(string(b))
}
