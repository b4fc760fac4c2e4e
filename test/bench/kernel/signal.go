package kernel

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"shmbus/internal/testload"
	"shmbus/test/bench/link"
	"shmbus/test/bench/worker"
)

func init() {
	worker.Register("signal", link.Ping, func(p worker.Params) (worker.Runner, error) { return openSignal(link.Ping, p) })
	worker.Register("signal", link.Pong, func(p worker.Params) (worker.Runner, error) { return openSignal(link.Pong, p) })
}

// number is a real-time signal that neither the C library nor Go's runtime uses for itself.
const number = 50

// signals are two threads that send each other a real-time signal with a number in it, the least
// that wakes somebody up and says why. The receiver blocks the signal and takes it from the kernel
// by sigtimedwait, which takes one system call where signalfd takes a read and a longer way to it;
// there is no handler. No payload is carried.
type signals struct {
	here, there string // files with process and thread
	ping        bool
	pid, tid    int
	next        uint32
}

func openSignal(role string, p worker.Params) (*signals, error) {
	s := &signals{here: filepath.Join(p["dir"], "signal."+role), ping: role == link.Ping}
	other := link.Ping
	if s.ping {
		other = link.Pong
	}
	s.there = filepath.Join(p["dir"], "signal."+other)
	// The signal goes to this thread, which stays the one of the main loop.
	runtime.LockOSThread()
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, signalSet(number), nil); err != nil {
		return nil, fmt.Errorf("pthread_sigmask: %w", err)
	}
	return s, link.Post(s.here, fmt.Sprintf("%d %d", os.Getpid(), unix.Gettid()))
}

func (s *signals) Run(n int) (worker.Report, error) {
	if s.pid == 0 {
		text, err := link.Fetch(s.there)
		if err != nil {
			return worker.Report{}, err
		}
		if _, err := fmt.Sscan(text, &s.pid, &s.tid); err != nil {
			return worker.Report{}, err
		}
	}
	rep := worker.Report{}
	if s.ping {
		rep.Samples = worker.NewSamples(n)
	}
	rep.Start = testload.Now()
	last := rep.Start
	for i := range n {
		if s.ping {
			if err := queueSignal(s.pid, s.tid, number, s.next); err != nil {
				return rep, err
			}
		}
		got, err := link.Again(func() (uint32, error) { return awaitSignal(number) })
		if err != nil {
			return rep, err
		}
		if got != s.next {
			rep.Bad++
		}
		if s.ping {
			now := testload.Now()
			rep.Samples[i] = worker.Sample(now - last)
			last = now
		} else if err := queueSignal(s.pid, s.tid, number, s.next); err != nil {
			return rep, err
		}
		s.next++
	}
	if s.ping {
		rep.End = last
	}
	return rep, nil
}

func (s *signals) Close() error { return link.Remove(s.here) }
