package host

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"
)

// traceTimeout is how long a worker may take to stop when it is traced, on a machine that is busy.
const traceTimeout = 10 * time.Second

// Steps is what a thread executed.
type Steps struct {
	Instructions int
	Locked       int // see kind
	Calls        int // system calls
}

func (s *Steps) add(k kind) {
	s.Instructions++
	if k.locked {
		s.Locked++
	}
	if k.call {
		s.Calls++
	}
}

// traced is what was executed between each pair of marks.
type traced struct {
	pairs []Steps
	err   error
}

// median returns the median of each count, less that of the first pair.
func (t traced) median() Steps {
	of := func(count func(Steps) int) int {
		var all []int
		for _, s := range t.pairs[1:] {
			all = append(all, count(s))
		}
		slices.Sort(all)
		return all[len(all)/2] - count(t.pairs[0])
	}
	return Steps{
		of(func(s Steps) int { return s.Instructions }),
		of(func(s Steps) int { return s.Locked }),
		of(func(s Steps) int { return s.Calls }),
	}
}

// Steps has the session do a run of n, and another in which it counts what its last worker executes
// for each of the n. That worker says its thread by tid=, and has a pair of marks around nothing
// and then one around each: system calls getppid, which nobody makes otherwise. The figures are
// medians, since the Go runtime takes the thread for something else now and then. The results are
// those of the first run.
func (s *Session) Steps(ctx context.Context, n int) (Steps, []Result, error) {
	first, err := s.Run(ctx, n)
	if err != nil {
		return Steps{}, nil, err
	}
	tid, err := strconv.Atoi(first[len(first)-1].Other["tid"])
	if err != nil {
		return Steps{}, nil, err
	}
	attached, counted := trace(tid, n+1, s.workers[len(s.workers)-1].cpus)
	if err, ok := within(traceTimeout, attached); err != nil || !ok {
		s.failed = !ok
		return Steps{}, first, cmp.Or(err, errors.New("the worker does not stop to be traced"))
	}
	if _, err := s.Run(ctx, n); err != nil {
		return Steps{}, nil, err
	}
	c, ok := within(traceTimeout, counted)
	if !ok {
		s.failed = true
		return Steps{}, nil, errors.New("the worker has no marks")
	}
	if c.err != nil {
		return Steps{}, nil, c.err
	}
	return c.median(), first, nil
}

// within returns what comes through c, if it comes in time.
func within[T any](d time.Duration, c <-chan T) (v T, ok bool) {
	select {
	case v = <-c:
		return v, true
	case <-time.After(d):
		return v, false
	}
}
