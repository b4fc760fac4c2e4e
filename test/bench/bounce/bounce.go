// Package bounce is the probe of native/bounce.c in Go, for hosts without a C compiler.
package bounce

import (
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"shmbus/internal/testload"
	"shmbus/test/bench/worker"
)

const stretch = 64 // round trips for each reading of the clock

func init() {
	worker.Register("bounce", "probe", func(p worker.Params) (worker.Runner, error) {
		var r prober
		if _, err := fmt.Sscanf(p.String("cpus", "0,1"), "%d,%d", &r.cpus[0], &r.cpus[1]); err != nil {
			return nil, fmt.Errorf("cpus=A,B is needed: %w", err)
		}
		return &r, nil
	})
}

type prober struct{ cpus [2]int }

// Each word is on cache lines of its own.
type words struct {
	_     [128]byte
	there atomic.Uint64
	_     [128]byte
	back  atomic.Uint64
	_     [128]byte
}

func (p *prober) Run(n int) (worker.Report, error) {
	stretches := n/stretch + 1
	samples := worker.NewSamples(stretches)
	w := new(words)
	done := make(chan error)
	go func() { done <- answer(w, uint64(stretches*stretch), p.cpus[1]) }()
	if err := pin(p.cpus[0]); err != nil {
		return worker.Report{}, err
	}
	defer runtime.UnlockOSThread()
	i := uint64(0)
	for s := range samples {
		before := testload.Now()
		for range stretch {
			i++
			w.there.Store(i)
			for w.back.Load() != i {
			}
		}
		samples[s] = worker.Sample(testload.Now() - before)
	}
	if err := <-done; err != nil {
		return worker.Report{}, err
	}
	slices.Sort(samples)
	rtt := float64(samples[stretches/2]) / stretch
	return worker.Report{Other: worker.Params{"rtt": fmt.Sprintf("%.1f", rtt)}}, nil
}

func answer(w *words, n uint64, cpu int) error {
	defer runtime.UnlockOSThread()
	err := pin(cpu) // the other side waits in any case
	for i := uint64(1); i <= n; i++ {
		for w.there.Load() != i {
		}
		w.back.Store(i)
	}
	return err
}

func pin(cpu int) error {
	runtime.LockOSThread()
	var set unix.CPUSet
	set.Set(cpu)
	return unix.SchedSetaffinity(0, &set)
}

func (p *prober) Close() error { return nil }
