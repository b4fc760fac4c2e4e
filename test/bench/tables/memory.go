package tables

import (
	"context"
	"errors"
	"fmt"

	"shmbus/layout"
	"shmbus/test/bench/host"
	"shmbus/test/bench/worker"
)

func init() {
	Register(Table{
		Name: "segments", Order: 60,
		Title: "Memory of a bus, by its sizes",
		Notes: []string{"It takes this once, however many processes use it, and no more later. Pages that nothing was written to take none."},
		Rows:  segments,
	})
	Register(Table{
		Name: "memory", Order: 61,
		Title: "Memory and page faults of processes, default sizes",
		Notes: []string{
			"own: heap, stacks and data. program: what is mapped of it. shared: what it has touched of the bus. The workers are one program that holds all",
			"contenders: what a publisher or a subscriber adds is the difference to one that has no bus.",
		},
		Rows: memory,
	})
}

func segments(_ context.Context, b *Bench, each func(Row)) error {
	with := func(change func(*layout.Geometry)) layout.Geometry {
		g := layout.Default()
		change(&g)
		return g
	}
	for _, c := range []struct {
		name string
		layout.Geometry
	}{
		{"as small as it gets", layout.Geometry{Slots: 8, SlotSize: 64, Owned: 2, Publishers: 1, Subscribers: 64, Clients: 2, Topics: 1, MaxFrame: 4096}},
		{"256 slots of 64 B", with(func(g *layout.Geometry) { g.Slots, g.SlotSize = 256, 64 })},
		{"16384 slots of 256 B, default", layout.Default()},
		{"4096 slots of 4 KiB", with(func(g *layout.Geometry) { g.Slots, g.SlotSize = 4096, 4096 })},
		{"65536 slots of 256 B", with(func(g *layout.Geometry) { g.Slots = 65536 })},
		{"1024 subscribers, 10000 topics", with(func(g *layout.Geometry) { g.Subscribers, g.Clients, g.Topics = 1024, 2000, 10000 })},
	} {
		m, err := layout.NewMap(c.Geometry)
		if err != nil {
			return &FailedError{c.name, err}
		}
		ring := m.Entries.Stride*m.Entries.Count + m.Slots.Stride*m.Slots.Count
		each(Row{Case: c.name, Params: map[string]any{"geometry": c.Geometry}, Figures: []Figure{
			exactly("segment", "B", float64(m.Size)),
			exactly("ring and slots", "B", float64(ring)),
			exactly("clients, topics and so on", "B", float64(m.Size-ring)),
		}})
	}
	return nil
}

// exactly is a figure that is no measurement.
func exactly(column, unit string, x float64) Figure {
	return Figure{Column: column, Unit: unit, Median: x, Min: x, Max: x}
}

func memory(ctx context.Context, b *Bench, each func(Row)) error {
	names := map[string]string{"both": "without a bus", "send": "publisher", "recv": "subscriber", "daemon": "busd"}
	var errs []error
	for _, c := range []struct {
		name   string
		spec   host.Spec
		places []host.Place
	}{
		{"a process without a bus", host.MustSpec("channel:size=48,slots=1"), b.Host.InProcess()},
		{"publisher and subscriber", host.MustSpec("shmbus:size=48,slotsize=256"), b.Host.Stream()},
		{"busd", host.MustSpec("shmbus:size=48,slotsize=256").With("busd", b.Busd), []host.Place{
			{Role: "asleep", CPU: host.Anywhere}, {Role: "daemon", CPU: host.Anywhere},
		}},
	} {
		err := b.memoryOf(ctx, c.spec, c.places, func(role string, r Row) {
			if r.Case = names[role]; r.Case != "" {
				each(r)
			}
		})
		switch {
		case errors.Is(err, worker.ErrSkipped):
			each(Row{Case: c.name, Figures: []Figure{{Column: "resident", Skipped: err.Error()}}})
		case err != nil:
			each(Row{Case: c.name, Failed: err.Error()})
			errs = append(errs, &FailedError{c.name, err})
		}
	}
	return errors.Join(errs...)
}

// memoryOf makes a row for each process of a contender.
func (b *Bench) memoryOf(ctx context.Context, spec host.Spec, places []host.Place, each func(role string, r Row)) (err error) {
	s, err := b.Host.Start(ctx, spec, places)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	const messages = 500_000
	var usage [3][]host.Usage // ready, after a run, and after another one
	for i := range usage {
		if i > 0 {
			if _, err := s.Run(ctx, messages); err != nil {
				return err
			}
		}
		if usage[i], err = s.Usage(); err != nil {
			return err
		}
	}
	for i, u := range usage[2] {
		each(u.Role, Row{Figures: []Figure{
			exactly("resident", "B", float64(u.Resident)),
			exactly("own", "B", float64(u.Own)),
			exactly("program", "B", float64(u.File)),
			exactly("shared", "B", float64(u.Shared)),
			exactly("major faults", "", float64(u.MajorFaults)),
			exactly("minor faults", "", float64(u.MinorFaults)),
			exactly(fmt.Sprintf("in %d messages", messages), "", float64(u.MinorFaults-usage[1][i].MinorFaults)),
		}})
	}
	return nil
}
