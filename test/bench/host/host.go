// Package host is the side of a benchmark that measures: it starts pinned workers, has them do
// runs, alternates between contenders, and throws out what was measured while the machine changed.
package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"shmbus/test/bench/worker"
)

// A Host starts workers.
type Host struct {
	CPUs    []int         // of which workers get one each, in turn
	Timeout time.Duration // for a run

	self    string // this program, for workers in Go
	natives natives
	scratch string
	made    int // sessions so far
	probe   *Session
}

// New returns a host whose workers in C are made of sources. Close removes what it makes.
func New(self string, sources fs.FS, cpus []int) (*Host, error) {
	if len(cpus) < 2 {
		return nil, errors.New("two processors are needed")
	}
	n, err := newNatives(sources)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(scratchRoot(), "shmbus-bench-")
	if err != nil {
		return nil, err
	}
	return &Host{CPUs: cpus, Timeout: 30 * time.Second, self: self, natives: n, scratch: dir}, nil
}

// Close ends the probe and removes the scratch folder.
func (h *Host) Close() error {
	var err error
	if h.probe != nil {
		err = h.probe.Close()
	}
	return errors.Join(err, os.RemoveAll(h.scratch))
}

// A Place is a worker of a session: its role, and the processor that it is pinned to; Anywhere is
// none.
type Place struct {
	Role   string
	CPU    int
	Index  int // which of
	Count  int // how many of its role; 0 is 1
	Times  int // as many messages as those of a run: a receiver has those of several senders; 0 is 1
	Params worker.Params
}

const (
	Anywhere = -1 // leaves it to the kernel where a worker runs
	Both     = -2 // gives a worker the first two processors
)

// server is the role of what some contenders have between their workers.
const server = "server"

// Stream is the places of one-way traffic. The receiver is first, since it makes what the
// sender opens.
func (h *Host) Stream() []Place {
	return []Place{{Role: "recv", CPU: h.CPUs[1]}, {Role: "send", CPU: h.CPUs[0]}}
}

// InProcess is the place of a contender that sends and receives in one process.
func (h *Host) InProcess() []Place { return []Place{{Role: "both", CPU: Both}} }

// RoundTrip is the places of round trips.
func (h *Host) RoundTrip() []Place {
	return []Place{{Role: "pong", CPU: h.CPUs[1]}, {Role: "ping", CPU: h.CPUs[0]}}
}

// WakeUp is the places of waking a sleeper.
func (h *Host) WakeUp() []Place {
	return []Place{{Role: "wake", CPU: h.CPUs[1]}, {Role: "tick", CPU: h.CPUs[0]}}
}

func (h *Host) cpus(p Place) []int {
	switch p.CPU {
	case Anywhere:
		return nil
	case Both:
		return h.CPUs[:2]
	}
	return []int{p.CPU}
}

// program returns what to execute for a contender. The parameter exe names another build of it, so
// that two versions can be compared.
func (h *Host) program(spec Spec, role string) (path string, args []string, err error) {
	name, native := spec.native()
	exe, other := spec.Params["exe"]
	if !native {
		args = []string{"worker", spec.Contender}
	}
	switch {
	case other:
		return exe, args, nil
	case native:
		path, err = h.natives.build(name)
		return path, nil, err
	case !worker.Has(spec.Contender, role):
		return "", nil, fmt.Errorf("%s: %w: there is no such contender with role %s", spec, worker.ErrSkipped, role)
	}
	return h.self, args, nil
}

// Start starts the workers of a contender, each when the one before it is ready. One that has a
// role server gets a server, which runs wherever the kernel puts it.
func (h *Host) Start(ctx context.Context, spec Spec, places []Place) (*Session, error) {
	path, args, err := h.program(spec, places[0].Role)
	if err != nil {
		return nil, err
	}
	h.made++
	s := &Session{Spec: spec, Lossy: spec.Params["policy"] == "lossy", host: h, dir: filepath.Join(h.scratch, strconv.Itoa(h.made))}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, err
	}
	if worker.Has(spec.Contender, server) {
		places = append([]Place{{Role: server, CPU: Anywhere}}, places...)
	}
	id := fmt.Sprintf("bench-%d-%d", os.Getpid(), h.made)
	for _, place := range places {
		with := spec.With("dir", s.dir).With("id", id).With("index", place.Index).With("count", max(place.Count, 1))
		for k, v := range place.Params {
			with = with.With(k, v)
		}
		p, err := start(path, append(append(args[:len(args):len(args)], place.Role), with.words()...), spec.Contender, place.Role, h.cpus(place))
		if err == nil {
			p.times = max(place.Times, 1)
			s.workers = append(s.workers, p)
			_, err = p.await(ctx, "ready", readyTimeout)
		}
		if err != nil {
			s.failed = true
			return nil, errors.Join(fmt.Errorf("%s: %w", spec, err), s.Close())
		}
	}
	return s, nil
}
