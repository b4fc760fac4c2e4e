//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"shmbus/internal/testproc"
)

// A pool is the worker processes of a run.
type pool struct {
	c       config
	s       *summary
	workers []*process
}

// A process is one worker, as its parent sees it.
type process struct {
	*testproc.Worker
	number int
}

func (c config) start(s *summary) (*pool, error) {
	p := &pool{c: c, s: s}
	for i, role := range c.roles {
		w, err := p.launch(role, i)
		if err != nil {
			p.end()
			return nil, err
		}
		p.workers = append(p.workers, w)
	}
	return p, nil
}

func (p *pool) launch(role string, number int) (*process, error) {
	w, err := testproc.Start(role, job{number, p.c.slack}, testproc.Env("GOTRACEBACK", "all"))
	return &process{w, number}, err
}

// replace starts another worker in place of one that is gone, and gives it the order of the round
// if there is one.
func (p *pool) replace(i int, orders ...order) error {
	w, err := p.launch(p.workers[i].Role, i)
	if err != nil {
		return err
	}
	p.workers[i].HangUp()
	p.workers[i] = w
	p.s.restarts++
	for _, o := range orders {
		w.order(o)
	}
	return nil
}

func (w *process) order(o order) {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	_ = w.Tell(string(b)) // one that is gone is noticed by its exit
}

// resident returns the bytes that the process has in memory, its part of segments included.
func (w *process) resident() int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", w.PID()))
	f := strings.Fields(string(b))
	if err != nil || len(f) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(f[1])
	return pages * os.Getpagesize()
}

// order gives all workers an order.
func (p *pool) order(o order) {
	for _, w := range p.workers {
		w.order(o)
	}
}

// check looks for workers that are dead or have grown, and replaces them.
func (p *pool) check(round int, o order) error {
	for i, w := range p.workers {
		if w.Running() {
			n := w.resident()
			if n <= p.c.memory {
				continue
			}
			p.s.violate(round, "worker %s has %d MiB resident", w.Role, n>>20)
			w.Kill()
		} else {
			p.ended(round, w)
		}
		if err := p.replace(i, o); err != nil {
			return err
		}
	}
	return nil
}

// ended looks at how a worker ended. One that kills itself is to.
func (p *pool) ended(round int, w *process) {
	if w.Role != "mortal" || w.Signaled() != unix.SIGKILL {
		p.s.violate(round, "worker %s ended: %v\n%s", w.Role, w.Cmd.ProcessState, w.lastWords())
	}
}

// collect ends a round and collects what the workers counted.
func (p *pool) collect(round int) error {
	p.order(order{})
	late := time.Now().Add(p.c.patience)
	for i, w := range p.workers {
		e, err := w.Await("tally", time.Until(late))
		if err == nil {
			var t tally
			if err := e.Into(&t); err != nil {
				return err
			}
			p.s.add(t)
			for _, v := range t.Violations {
				p.s.violate(round, "worker %s: %s", w.Role, v)
			}
			continue
		}
		if !w.Running() {
			p.ended(round, w)
		} else {
			_ = w.Signal(unix.SIGQUIT)
			w.Wait(time.Second)
			p.s.violate(round, "worker %s does not end its round: %v\n%s", w.Role, err, w.lastWords())
			w.Kill()
			late = time.Now().Add(time.Second)
		}
		if err := p.replace(i); err != nil {
			return err
		}
	}
	return nil
}

// lastWords returns the beginning of what the worker wrote before it died.
func (w *process) lastWords() string {
	s := w.Stderr()
	return s[:min(len(s), 8000)]
}

// end kills all workers.
func (p *pool) end() {
	for _, w := range p.workers {
		w.Kill()
	}
}
