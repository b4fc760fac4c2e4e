package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A crew is the worker processes of a run.
type crew struct {
	c     config
	s     *summary
	dir   string
	hands []*hand
}

// A hand is one worker process, as its parent sees it.
type hand struct {
	role    string
	number  int
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	tallies chan tally
	exited  chan struct{}
	errors  string // path of its standard error
}

func (c config) hire(dir string, s *summary) (*crew, error) {
	w := &crew{c: c, s: s, dir: dir}
	for i, role := range c.roles {
		h, err := w.start(role, i)
		if err != nil {
			w.dismiss()
			return nil, err
		}
		w.hands = append(w.hands, h)
	}
	return w, nil
}

func (w *crew) start(role string, number int) (*hand, error) {
	h := &hand{role: role, number: number, tallies: make(chan tally), exited: make(chan struct{}), errors: filepath.Join(w.dir, "stderr-"+strconv.Itoa(number))}
	stderr, err := os.Create(h.errors)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	h.cmd = exec.Command("/proc/self/exe")
	h.cmd.Env = append(os.Environ(), envRole+"="+role, envRole+"_NUMBER="+strconv.Itoa(number), envSlack+"="+w.c.slack.String(), "GOTRACEBACK=all")
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	h.cmd.Stderr = stderr
	if h.stdin, err = h.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(h.exited)
		lines := bufio.NewScanner(stdout)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var t tally
			if json.Unmarshal(lines.Bytes(), &t) == nil {
				h.tallies <- t
			}
		}
		_ = h.cmd.Wait()
	}()
	return h, nil
}

func (h *hand) tell(o order) {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	_, _ = fmt.Fprintf(h.stdin, "%s\n", b) // one that is gone is noticed by its exit
}

// resident returns the bytes that the process has in memory, its part of segments included.
func (h *hand) resident() int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", h.cmd.Process.Pid))
	f := strings.Fields(string(b))
	if err != nil || len(f) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(f[1])
	return pages * os.Getpagesize()
}

func (h *hand) kill() {
	_ = h.cmd.Process.Kill()
	h.stdin.Close()
	for {
		select {
		case <-h.tallies:
		case <-h.exited:
			return
		}
	}
}

// begin tells all workers of the new bus.
func (w *crew) begin(o order) {
	for _, h := range w.hands {
		h.tell(o)
	}
}

// check looks for workers that are dead or have grown, and replaces them.
func (w *crew) check(round int, o order) error {
	for i, h := range w.hands {
		select {
		case <-h.exited:
			if !h.asked() {
				w.s.violate(round, "worker %s ended: %v\n%s", h.role, h.cmd.ProcessState, h.lastWords())
			}
		default:
			n := h.resident()
			if n <= w.c.memory {
				continue
			}
			w.s.violate(round, "worker %s has %d MiB resident", h.role, n>>20)
			h.kill()
		}
		fresh, err := w.start(h.role, h.number)
		if err != nil {
			return err
		}
		h.stdin.Close()
		w.hands[i] = fresh
		w.s.restarts++
		fresh.tell(o)
	}
	return nil
}

// asked reports whether the worker was to end as it did.
func (h *hand) asked() bool {
	ws, ok := h.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && h.role == "mortal" && ws.Signaled() && ws.Signal() == syscall.SIGKILL
}

// end collects what the workers counted.
func (w *crew) end(round int) error {
	for _, h := range w.hands {
		h.tell(order{})
	}
	late := time.After(w.c.patience)
	for i, h := range w.hands {
		select {
		case t := <-h.tallies:
			w.s.add(t)
			for _, v := range t.Violations {
				w.s.violate(round, "worker %s: %s", h.role, v)
			}
			continue
		case <-h.exited:
			if !h.asked() {
				w.s.violate(round, "worker %s ended: %v\n%s", h.role, h.cmd.ProcessState, h.lastWords())
			}
		case <-late:
			_ = h.cmd.Process.Signal(syscall.SIGQUIT)
			select {
			case <-h.exited:
			case <-time.After(time.Second):
			}
			w.s.violate(round, "worker %s does not end its round\n%s", h.role, h.lastWords())
			h.kill()
			late = time.After(time.Second)
		}
		h.stdin.Close()
		fresh, err := w.start(h.role, h.number)
		if err != nil {
			return err
		}
		w.hands[i] = fresh
		w.s.restarts++
	}
	return nil
}

// lastWords returns the beginning of what the worker wrote before it died.
func (h *hand) lastWords() string {
	b, err := os.ReadFile(h.errors)
	if err != nil {
		return errors.Join(errors.New("nothing is known of its end"), err).Error()
	}
	return string(b[:min(len(b), 8000)])
}

func (w *crew) dismiss() {
	for _, h := range w.hands {
		h.kill()
	}
}
