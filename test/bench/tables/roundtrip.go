package tables

import (
	"context"
	"errors"
	"fmt"

	"shmbus/test/bench/host"
)

func init() {
	Register(Table{
		Name: "spinning", Order: 20,
		Title: "Round trip, both sides spinning, 48 bytes (less is better)",
		Notes: []string{"÷ cache line: median to that of two processors that take turns in storing one word; nothing can be faster."},
		Rows: func(ctx context.Context, b *Bench, each func(Row)) error {
			return b.roundTrips(ctx, each, []string{"spin", "adaptive"}, AtMost(1.5),
				Side{Label: "cache line", Spec: host.MustSpec("native/bounce")},
				Side{Label: "C ring", Spec: host.MustSpec("native/ring:size=48")})
		},
	})
	Register(Table{
		Name: "sleeping", Order: 21,
		Title: "Round trip, both sides asleep, 48 bytes (less is better)",
		Notes: []string{"÷ semop: median to that of two processes that wake each other by System V semaphores, and carry nothing."},
		Rows: func(ctx context.Context, b *Bench, each func(Row)) error {
			return b.roundTrips(ctx, each, []string{"block"}, AtMost(1.15),
				Side{Label: "semop", Spec: host.MustSpec("native/semop")},
				Side{Label: "futex", Spec: host.MustSpec("native/futex")},
				Side{Label: "pipe", Spec: host.MustSpec("pipe:size=48")})
		},
	})
	Register(Table{
		Name: "waking", Order: 22,
		Title: "From publishing to the return of a subscriber that slept, 48 bytes (less is better)",
		Notes: []string{
			"÷ semop, ÷ futex: median to that from posting to the return of a process that slept; the kernel alone.",
			"Waking takes longer the longer the processor was idle, since the kernel polls for a while before it halts one. Who waits adaptively",
			"sleeps a little less of the time between messages.",
		},
		Rows: waking,
	})
}

// roundTrips compares with others; target is for the ratio to the first of them.
func (b *Bench) roundTrips(ctx context.Context, each func(Row), waits []string, target Target, others ...Side) error {
	var errs []error
	for _, wait := range waits {
		q := Question{
			Case:   "wait=" + wait,
			Params: map[string]any{"wait": wait, "size": 48},
			Ours:   Side{Label: "shmbus", Spec: host.MustSpec("shmbus:size=48").With("wait", wait)},
			Others: others,
			Places: b.Host.RoundTrip(),
			Metric: host.Median("ping"),
			Beside: []Beside{
				{"shmbus", "p99", host.Quantile("ping", 99)},
				{"shmbus", "p99.9", host.Quantile("ping", 99.9)},
				{others[0].Label, others[0].Label + " p99", host.Quantile("ping", 99)},
			},
			Target: map[string]Target{"÷ " + others[0].Label: target},
			Times:  host.Samples("ping"),
		}
		errs = append(errs, b.Ask(ctx, q, each))
	}
	return errors.Join(errs...)
}

func waking(ctx context.Context, b *Bench, each func(Row)) error {
	var errs []error
	gaps := []int{50, 1000}
	if b.Full {
		gaps = []int{50, 200, 1000, 5000}
	}
	for _, gap := range gaps {
		with := func(s string) host.Spec { return host.MustSpec(s).With("gap", gap) }
		for _, wait := range []string{"block", "adaptive"} {
			q := Question{
				Case:   fmt.Sprintf("wait=%s, every %d µs", wait, gap),
				Params: map[string]any{"wait": wait, "size": 48, "gap_us": gap},
				Ours:   Side{Label: "shmbus", Spec: with("shmbus:size=48").With("wait", wait)},
				Others: []Side{{Label: "semop", Spec: with("native/semop")}, {Label: "futex", Spec: with("native/futex")}},
				Places: b.Host.WakeUp(),
				Metric: host.WakeTime(50),
				Beside: []Beside{
					{"shmbus", "p99", host.WakeTime(99)},
					{"semop", "semop p99", host.WakeTime(99)},
				},
				Times: host.WakeTimes,
			}
			errs = append(errs, b.Ask(ctx, q, each))
		}
	}
	return errors.Join(errs...)
}
