package shmbusworker

import (
	"fmt"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/test/bench/worker"
)

// Steps does one thing n times, each between two marks, the system calls getppid, so that what it
// executes there can be counted: do= is publish or receive a message, or skip, which passes over 4
// and receives one. The first pair of marks has nothing between. It stays on the thread that it
// names by tid=, which is not the first of the process.
func init() { worker.Register("shmbus", "steps", openSteps) }

const skipped = 4

type steps struct {
	*end
	other       *bus.Publisher
	message     bus.Message
	prepare, do func() error
	runs        chan int
	ran         chan stepsRun
}

type stepsRun struct {
	worker.Report
	err error
}

func openSteps(p worker.Params) (worker.Runner, error) {
	do := p.String("do", "publish")
	pattern := map[string]string{"publish": "", "receive": topic, "skip": topic}
	subscribe, ok := pattern[do]
	if !ok {
		return nil, fmt.Errorf("do=%s: publish, receive or skip is needed", do)
	}
	e, err := open(p, p.Int("index", 0) == 0, topic, subscribe)
	if err != nil {
		return nil, err
	}
	nothing := func() error { return nil }
	s := &steps{end: e, runs: make(chan int), ran: make(chan stepsRun)}
	switch do {
	case "publish":
		s.prepare, s.do = nothing, s.publish
	case "receive":
		s.prepare, s.do = s.publish, s.receive
	case "skip":
		s.prepare, s.do = s.publishSkipped, s.receive
		if s.other, err = e.bus.Publisher("other", bus.Exclusive()); err != nil {
			return nil, e.fail(err)
		}
	}
	go s.serve()
	return s, nil
}

// serve does the runs on one thread.
func (s *steps) serve() {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		go s.serve() // on another one
		select {}
	}
	for n := range s.runs {
		rep, err := s.run(n)
		s.ran <- stepsRun{rep, err}
	}
}

func (s *steps) Run(n int) (worker.Report, error) {
	s.runs <- n
	r := <-s.ran
	return r.Report, r.err
}

func (s *steps) publish() error { return s.pub.PublishRaw(s.ctx, s.buf) }

func (s *steps) receive() error { return s.sub.Receive(s.ctx, &s.message) }

func (s *steps) publishSkipped() error {
	for range skipped {
		if err := s.other.PublishRaw(s.ctx, s.buf); err != nil {
			return err
		}
	}
	return s.publish()
}

func (s *steps) run(n int) (rep worker.Report, err error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	unix.Getppid()
	unix.Getppid()
	for i := 0; i < n && err == nil; i++ {
		if err = s.prepare(); err == nil {
			runtime.Gosched() // or the runtime asks for it while this thread is stepped through, which takes long
			unix.Getppid()
			err = s.do()
			unix.Getppid()
		}
	}
	runtime.ReadMemStats(&after)
	rep.Other = worker.Params{
		"tid":    strconv.Itoa(unix.Gettid()),
		"allocs": strconv.FormatUint(after.Mallocs-before.Mallocs, 10),
	}
	return rep, err
}
