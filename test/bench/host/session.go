package host

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// A Session is the workers of a contender, ready for runs.
type Session struct {
	Spec  Spec
	Lossy bool // lost messages are counted, and no error

	host    *Host
	dir     string
	workers []*process
	failed  bool
}

// A BadError says that a contender did not deliver what was sent. No figure of its is worth
// printing.
type BadError struct {
	Spec      Spec
	Role      string
	N         int
	Bad, Lost uint64
}

func (e *BadError) Error() string {
	return fmt.Sprintf("%s: %s found %d bad and %d lost messages in a run of %d", e.Spec, e.Role, e.Bad, e.Lost, e.N)
}

// Run has every worker do one run of n, or of as many times that as its place says; those that were
// started first begin first. The results are in the order of the places, those of a server in
// front. After an error the session can only be closed.
func (s *Session) Run(ctx context.Context, n int) ([]Result, error) {
	results, err := s.run(ctx, n)
	if err != nil {
		s.failed = true
		return nil, err
	}
	return results, nil
}

func (s *Session) run(ctx context.Context, n int) ([]Result, error) {
	serving, err := s.serving()
	if err != nil {
		return nil, err
	}
	for _, p := range s.workers {
		if err := p.say(fmt.Sprint("run ", n*p.times)); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make([]Result, len(s.workers))
	var wg sync.WaitGroup
	for i, p := range s.workers {
		wg.Go(func() {
			var err error
			if results[i], err = s.result(ctx, p, n*p.times); err != nil {
				cancel(err) // the others may wait for this one for ever
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	served, err := s.serving()
	for i := range served {
		results[i].CPU = served[i] - serving[i]
	}
	return results, err
}

// serving returns the processor time that each server, which come first, has used: what it does in
// a run is not for it to know.
func (s *Session) serving() (used []time.Duration, err error) {
	for _, p := range s.workers {
		if p.role != server {
			break
		}
		cpu, err := cpuOf(p.PID())
		if err != nil {
			return nil, err
		}
		used = append(used, cpu)
	}
	return used, nil
}

func (s *Session) result(ctx context.Context, p *process, n int) (Result, error) {
	rest, err := p.await(ctx, "ran", s.host.Timeout)
	if err != nil {
		return Result{}, err
	}
	r, err := parseResult(rest)
	if err != nil {
		return r, fmt.Errorf("%s says %q: %w", p.name, rest, err)
	}
	r.Role = p.role
	p.standsFor, _ = strconv.Atoi(r.Other["pid"])
	if r.N != n {
		return r, fmt.Errorf("%s did %d where %d were asked for", p.name, r.N, n)
	}
	if r.Bad > 0 || r.Lost > 0 && !s.Lossy {
		return r, &BadError{s.Spec, r.Role, n, r.Bad, r.Lost}
	}
	return r, nil
}

// Scale returns the number for a run of about the given time, and warms the contender up in finding
// it.
func (s *Session) Scale(ctx context.Context, about time.Duration) (int, error) {
	return scale(about, func(n int) (time.Duration, error) {
		results, err := s.Run(ctx, n)
		return Elapsed(results), err
	})
}

// scale returns how many messages a run of about the given time has. Runs grow until one takes at
// least half of that time, twice: what a shorter run takes is decided by the moment at which each
// worker gets its processor, and one long run may be a stall.
func scale(about time.Duration, run func(n int) (time.Duration, error)) (int, error) {
	const first, growth, most = 16, 8, 1 << 28
	for n := first; ; {
		took, err := run(n)
		if err == nil && took >= about/2 {
			var again time.Duration
			again, err = run(n)
			took = min(took, again)
		}
		if err != nil {
			return 0, err
		}
		next := max(int(min(float64(n)*float64(about)/float64(took), most)), 1)
		if took >= about/2 || n >= most {
			return next, nil
		}
		n = min(next, n*growth)
	}
}

// Close lets the workers quit, and removes what they leave.
func (s *Session) Close() error {
	errs := make([]error, len(s.workers))
	var wg sync.WaitGroup
	for i, p := range s.workers {
		wg.Go(func() {
			if s.failed {
				p.kill()
			} else {
				errs[i] = p.quit()
			}
		})
	}
	wg.Wait()
	return errors.Join(append(errs, clear(s.dir))...)
}
