package tables

import (
	"context"
	"errors"
	"slices"
	"strings"

	"shmbus/test/bench/host"
	"shmbus/test/bench/worker"
)

func init() {
	Register(Table{
		Name: "others-oneway", Order: 30,
		Title: "One way, compared with other ways between processes (more is better)",
		Notes: []string{
			"÷ other: shmbus's messages per second to the other's, each waiting as it does by default.",
			"cpu: processor time of all processes for a message, a server's included. Go channels are between goroutines of one process.",
		},
		Rows: func(ctx context.Context, b *Bench, each func(Row)) error {
			return b.others(ctx, each, "recv", func(q *Question, size int) {
				q.Places, q.Metric = b.Host.Stream(), host.Throughput
				q.Beside = []Beside{{"shmbus", "cpu", host.CPU}, {"other", "other's cpu", host.CPU}}
			})
		},
	})
	Register(Table{
		Name: "others-roundtrip", Order: 31,
		Title: "Round trip, compared with other ways between processes (less is better)",
		Notes: []string{
			"÷ other: shmbus's median to the other's, each waiting as it does by default: shmbus spins for some microseconds before it sleeps,",
			"most others sleep at once.",
		},
		Rows: func(ctx context.Context, b *Bench, each func(Row)) error {
			return b.others(ctx, each, "pong", b.otherRoundTrip)
		},
	})
	Register(Table{
		Name: "others-sleeping", Order: 32,
		Title: "Round trip, shmbus asleep as the others are (less is better)",
		Rows: func(ctx context.Context, b *Bench, each func(Row)) error {
			return b.others(ctx, each, "pong", func(q *Question, size int) {
				b.otherRoundTrip(q, size)
				q.Ours.Spec = q.Ours.Spec.With("wait", "block")
				q.Others[0].Spec = q.Others[0].Spec.With("wait", "block")
			}, "ringfile")
		},
	})
}

func (b *Bench) otherRoundTrip(q *Question, size int) {
	q.Places, q.Metric = b.Host.RoundTrip(), host.Median("ping")
	q.Beside = []Beside{
		{"shmbus", "p99", host.Quantile("ping", 99)},
		{"other", "other's p99", host.Quantile("ping", 99)},
	}
	q.Times = host.Samples("ping")
}

// yardsticks are no ways for a program to go: they say what the hardware and the kernel allow, or
// what a benchmark says.
var yardsticks = []string{"native/ring", "native/bounce", "native/memcpy", "native/semop", "native/futex", "native/scan", "gobench"}

// others asks a question for each contender beside the bus that has the role, carries plain
// messages and is none of except.
func (b *Bench) others(ctx context.Context, each func(Row), role string, complete func(q *Question, size int), except ...string) error {
	sizes := []int{48}
	if b.Full {
		sizes = []int{48, 1024, 16 << 10}
	}
	names := slices.Concat(worker.Contenders(role), b.Host.Natives())
	if role == "recv" {
		names = append(names, worker.Contenders("both")...)
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return name == "shmbus" || strings.HasPrefix(name, "typed-") || slices.Contains(yardsticks, name) || slices.Contains(except, name)
	})
	var errs []error
	for _, name := range names {
		for _, size := range sizes {
			if name == "signal" && size > sizes[0] {
				continue // it carries a number, whatever the size
			}
			q := Question{
				Case:   name + " " + Bytes(size),
				Params: map[string]any{"contender": name, "size": size},
				Ours:   Side{Label: "shmbus", Spec: host.MustSpec("shmbus").With("size", size).With("slots", slotsFor(ourSlot(size)))},
				Others: []Side{{Label: "other", Spec: host.Spec{Contender: name}.With("size", size)}},
			}
			if worker.Has(name, "both") {
				q.Case = name + ", goroutines, " + Bytes(size)
				q.Others[0].Places = b.Host.InProcess()
			}
			complete(&q, size)
			errs = append(errs, b.Ask(ctx, q, each))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}
