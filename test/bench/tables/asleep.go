package tables

import (
	"context"
	"errors"
	"fmt"

	"shmbus/test/bench/host"
	"shmbus/test/bench/worker"
)

func init() {
	Register(Table{
		Name: "asleep", Order: 51,
		Title: "Publishing while subscribers of other topics are asleep, 48 bytes (less is better)",
		Notes: []string{"÷ none asleep: the publisher's processor time for a message to that where there is no subscriber."},
		Rows:  whileAsleep,
	})
}

func whileAsleep(ctx context.Context, b *Bench, each func(Row)) error {
	counts := []int{16, 256}
	if b.Full {
		counts = []int{1, 4, 16, 64, 256, 1000}
	}
	places := func(asleep int) []host.Place {
		return []host.Place{
			{Role: "asleep", CPU: b.Host.CPUs[1], Params: worker.Params{"asleep": fmt.Sprint(asleep)}},
			{Role: "send", CPU: b.Host.CPUs[0]},
		}
	}
	var errs []error
	for _, n := range counts {
		spec := host.MustSpec("shmbus:size=48")
		if n > 256 {
			spec = spec.With("subscribers", 1024)
		}
		q := Question{
			Case:   fmt.Sprintf("%d asleep", n),
			Params: map[string]any{"asleep": n},
			Ours:   Side{Label: "shmbus", Spec: spec, Places: places(n)},
			Others: []Side{{Label: "none asleep", Spec: spec, Places: places(0)}},
			Metric: host.CPUPerMessage("send"),
		}
		if n <= 256 {
			q.Target = map[string]Target{"÷ none asleep": AtMost(1.1)}
		}
		errs = append(errs, b.Ask(ctx, q, each))
	}
	return errors.Join(errs...)
}
