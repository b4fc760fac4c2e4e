package tables

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shmbus/test/bench/host"
	"shmbus/test/bench/worker"
)

func init() {
	Register(Table{
		Name: "idle", Order: 62,
		Title: "Processor time while nothing happens, of all processes together (less is better)",
		Notes: []string{
			"In percent of one processor: at first, and once nothing has begun to wait for some seconds, when the looks whether the bus is still there",
			"become rare.",
		},
		Rows: idle,
	})
}

// settling is how long after the last wait clients look after the bus often.
const settling = 6 * time.Second

// idle watches all cases at the same time: that they do nothing is what is in question.
func idle(ctx context.Context, b *Bench, each func(Row)) (err error) {
	sleepers := func(processes, n int) (places []host.Place) {
		for i := range processes {
			params := worker.Params{"asleep": fmt.Sprint(n / processes)}
			places = append(places, host.Place{Role: "asleep", CPU: host.Anywhere, Index: i, Count: processes, Params: params})
		}
		return places
	}
	spec := host.MustSpec("shmbus:size=48").With("busd", b.Busd)
	cases := []*watched{
		{name: "4 processes without a bus", spec: host.MustSpec("channel:size=48,slots=1")},
		{name: "100 subscribers in 4 processes", spec: spec, places: sleepers(4, 100)},
		{name: "the same and busd", spec: spec, places: append(sleepers(4, 100), host.Place{Role: "daemon", CPU: host.Anywhere}), target: AtMost(0.05)},
	}
	for range 4 {
		cases[0].places = append(cases[0].places, host.Place{Role: "both", CPU: host.Anywhere})
	}
	for _, c := range cases {
		if err := c.start(ctx, b.Host); err != nil {
			return &FailedError{c.name, err}
		}
		defer func() { err = errors.Join(err, c.close()) }()
	}
	for _, phase := range []time.Duration{0, max(settling-b.Idle, 0)} {
		if err := pause(ctx, phase); err != nil {
			return err
		}
		if err := watch(ctx, cases, b.Idle); err != nil {
			return err
		}
	}
	for _, c := range cases {
		each(c.row(b.Idle))
	}
	return nil
}

// watched is a case whose processes are watched.
type watched struct {
	name    string
	spec    host.Spec
	places  []host.Place
	target  Target
	session *host.Session
	skipped string
	used    []time.Duration // in each watch
}

func (w *watched) start(ctx context.Context, h *host.Host) error {
	var err error
	if w.session, err = h.Start(ctx, w.spec, w.places); errors.Is(err, worker.ErrSkipped) {
		w.skipped = err.Error()
		return nil
	}
	if err == nil {
		_, err = w.session.Run(ctx, 1) // which says the pid of busd
	}
	return err
}

func (w *watched) close() error {
	if w.session == nil {
		return nil
	}
	return w.session.Close()
}

func (w *watched) cpu() (sum time.Duration, err error) {
	if w.session == nil {
		return 0, nil
	}
	all, err := w.session.Usage()
	for _, u := range all {
		sum += u.CPU
	}
	return sum, err
}

// watch notes how much processor time each case uses while d passes.
func watch(ctx context.Context, cases []*watched, d time.Duration) error {
	before := make([]time.Duration, len(cases))
	for i, c := range cases {
		var err error
		if before[i], err = c.cpu(); err != nil {
			return err
		}
	}
	if err := pause(ctx, d); err != nil {
		return err
	}
	for i, c := range cases {
		after, err := c.cpu()
		if err != nil {
			return err
		}
		c.used = append(c.used, after-before[i])
	}
	return nil
}

func (w *watched) row(d time.Duration) Row {
	row := Row{Case: w.name, Params: map[string]any{"seconds": d.Seconds()}}
	columns := []string{fmt.Sprintf("first %v", d), fmt.Sprintf("%v later", d)}
	for i, column := range columns {
		if w.skipped != "" {
			row.Figures = append(row.Figures, Figure{Column: column, Skipped: w.skipped})
			continue
		}
		f := exactly(column, "%", 100*float64(w.used[i])/float64(d))
		if i == len(columns)-1 && w.target.Bound > 0 {
			f.Target = &w.target
		}
		row.Figures = append(row.Figures, f)
	}
	return row
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
