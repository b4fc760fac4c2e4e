package tables

import (
	"context"
	"errors"
	"strconv"

	"shmbus/test/bench/host"
	"shmbus/test/bench/worker"
)

func init() {
	Register(Table{
		Name: "steps", Order: 63,
		Title: "What is executed for one message of 48 bytes",
		Notes: []string{
			"The worker is stepped through one instruction after the other. locked: those that wait for all stores before them (LOCK, XCHG with memory,",
			"MFENCE). Medians: what is done once in half a ring is not in them.",
		},
		Rows: steps,
	})
}

func steps(ctx context.Context, b *Bench, each func(Row)) error {
	asleep := host.Place{Role: "asleep", CPU: b.Host.CPUs[1], Params: worker.Params{"asleep": "100"}}
	place := func(index int) host.Place { return host.Place{Role: "steps", CPU: b.Host.CPUs[0], Index: index} }
	var errs []error
	for _, c := range []struct {
		name, do string
		places   []host.Place
		locked   float64
	}{
		{"publish", "publish", []host.Place{place(0)}, 1},
		{"publish, 100 asleep on other topics", "publish", []host.Place{asleep, place(1)}, 1},
		{"receive", "receive", []host.Place{place(0)}, 0},
		{"pass over 4, receive one", "skip", []host.Place{place(0)}, 0},
	} {
		row, err := b.stepsOf(ctx, host.MustSpec("shmbus:size=48").With("do", c.do), c.places, c.locked)
		row.Case = c.name
		if err != nil {
			row.Failed = err.Error()
			errs = append(errs, &FailedError{c.name, err})
		}
		each(row)
	}
	return errors.Join(errs...)
}

func (b *Bench) stepsOf(ctx context.Context, spec host.Spec, places []host.Place, locked float64) (row Row, err error) {
	const times = 60
	s, err := b.Host.Start(ctx, spec, places)
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	steps, results, err := s.Steps(ctx, times)
	skipped := ""
	if errors.Is(err, worker.ErrSkipped) {
		skipped, err = err.Error(), nil
	}
	if err != nil {
		return row, err
	}
	allocations, err := strconv.Atoi(results[len(results)-1].Other["allocs"])
	if err != nil {
		return row, err
	}
	row.Figures = []Figure{
		exactly("allocations", "", float64(allocations/times)), // what the process allocates once is no part of it
		exactly("system calls", "", float64(steps.Calls)),
		exactly("locked", "", float64(steps.Locked)),
		exactly("instructions", "", float64(steps.Instructions)),
	}
	for i, target := range []float64{0, 0, locked} {
		row.Figures[i].Target = &Target{Bound: target}
	}
	for i := range row.Figures[1:] {
		row.Figures[1+i].Skipped = skipped
	}
	return row, nil
}
