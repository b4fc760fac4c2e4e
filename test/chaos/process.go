//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"shmbus/internal/fault"
	"shmbus/internal/testload"
	"shmbus/internal/testproc"
)

// A process is one that the coordinator has started.
type process struct {
	job
	proc    *testproc.Process
	pid     int
	place   *place
	fault   string // what was ordered to happen to it
	started time.Time

	killed   int64 // when SIGKILL was sent, by [testload.Now]; 0: not
	leaving  bool  // SIGTERM was sent
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

// A place is where a process leaves what others look at after its death. It is used again and
// again.
type place struct {
	diary  diary
	path   string // of the diary
	report string // of package fault
}

// A pool starts processes and tells of their ends.
type pool struct {
	dir  string
	free []*place
	n    int
	ends chan *process
}

func newPool(dir string) *pool { return &pool{dir: dir, ends: make(chan *process, 1024)} }

// close is called when no process is left.
func (n *pool) close() {
	for _, p := range n.free {
		p.diary.unmap()
	}
}

func (n *pool) place() (*place, error) {
	if last := len(n.free) - 1; last >= 0 {
		p := n.free[last]
		n.free = n.free[:last]
		return p, nil
	}
	n.n++
	base := filepath.Join(n.dir, fmt.Sprintf("%02d", n.n))
	p := &place{path: base + ".diary", report: base + ".fault"}
	var err error
	p.diary, err = openDiary(p.path)
	return p, err
}

// start starts a worker, or the given program. The calling thread must live as long as it: the
// death of the thread kills the process.
func (n *pool) start(p *process, program []string, env ...string) error {
	var err error
	if p.place, err = n.place(); err != nil {
		return err
	}
	p.place.diary.clear()
	os.Remove(p.place.report)
	p.Diary = p.place.path
	change := func(c *exec.Cmd) {
		c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the terminal's SIGINT is for the coordinator
		c.Env = append(append(c.Environ(), "SHMBUS_FAULT_FILE="+p.place.report), env...)
		if p.fault != "" {
			c.Env = append(c.Env, "SHMBUS_FAULT="+p.fault, fmt.Sprintf("SHMBUS_FAULT_SEED=%d", p.Seed))
		}
	}
	if len(program) > 0 {
		cmd := exec.Command(program[0], program[1:]...)
		change(cmd)
		p.proc, err = testproc.Launch(cmd)
	} else {
		var w *testproc.Worker
		if w, err = testproc.Start(p.Role, p.job, change); err == nil {
			p.proc = w.Process
		}
	}
	if err != nil {
		return err
	}
	p.pid, p.started, p.awake, p.since = p.proc.PID(), time.Now(), time.Now(), time.Now()
	go func() {
		p.proc.Wait(1 << 62)
		n.ends <- p
	}()
	return nil
}

// forget drops from the environment what is meant for the coordinator.
func forget() {
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, "SHMBUS_") && !strings.HasPrefix(name, "SHMBUS_LEAK") {
			os.Unsetenv(name)
		}
	}
}

func (p *process) signal(s unix.Signal) { p.proc.Signal(s) }

func (p *process) kill() {
	p.killed = testload.Now()
	p.signal(unix.SIGKILL)
}

func (p *process) leave() {
	p.leaving = true
	p.signal(unix.SIGTERM)
}

// stops reports whether the process has been told to stop itself somewhere, and has.
func (p *process) stops() bool { return strings.Contains(p.fault, "=stop") && p.proc.Stopped() }

// status returns how the process ended.
func (p *process) status() syscall.WaitStatus {
	return p.proc.Cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// faults reads what package fault has noted.
func (p *process) faults() fault.Report {
	r, _ := fault.ReadReport(p.place.report)
	return r
}

func (p *process) stderr() string { return strings.TrimSpace(p.proc.Stderr()) }
