package tables

import (
	"context"
	"errors"
	"fmt"

	"shmbus/test/bench/host"
)

func init() {
	Register(Table{
		Name: "skip", Order: 50,
		Title: "Passing over a message of another topic (less is better)",
		Notes: []string{
			"A subscriber of one topic finds the ring full of messages of the others, which another processor published, except the last: time for each.",
			"÷ bare scan: to looking at one word for each in C, nothing else. ÷ receiving: to receiving, copying and checking all of the same messages.",
		},
		Rows: skip,
	})
}

func skip(ctx context.Context, b *Bench, each func(Row)) error {
	policies := []string{"reliable"}
	if b.Full {
		policies = []string{"reliable", "lossy"}
	}
	var errs []error
	for _, topics := range []int{100, 10000} {
		for _, policy := range policies {
			ours := host.MustSpec("shmbus:size=48").With("topics", topics).With("policy", policy)
			q := Question{
				Case:   fmt.Sprintf("1 of %d topics, %s", topics, policy),
				Params: map[string]any{"topics": topics, "policy": policy},
				Ours:   Side{Label: "skipping", Spec: ours},
				Others: []Side{{Label: "bare scan", Spec: host.MustSpec("native/scan")}, {Label: "receiving", Spec: ours.With("all", 1)}},
				Places: []host.Place{{Role: "skip", CPU: b.Host.CPUs[1]}, {Role: "fill", CPU: b.Host.CPUs[0]}},
				Metric: host.Each("skip"),
				Target: map[string]Target{"skipping": AtMost(4)},
			}
			errs = append(errs, b.Ask(ctx, q, each))
		}
	}
	return errors.Join(errs...)
}
