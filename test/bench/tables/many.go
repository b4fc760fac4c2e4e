package tables

import (
	"context"
	"errors"
	"fmt"

	"shmbus/layout"
	"shmbus/test/bench/host"
)

func init() {
	Register(Table{
		Name: "fanout", Order: 52,
		Title: "One publisher to several subscribers that are awake, 48 bytes (more is better)",
		Notes: []string{
			"÷ 1 to 1: messages received per second, by all together, to those of one subscriber. The subscribers are processes that share one processor.",
			"cpu: processor time of all processes for a message received.",
		},
		Rows: fanOut,
	})
	Register(Table{
		Name: "fanin", Order: 53,
		Title: "Several publishers, 48 bytes (more is better)",
		Notes: []string{
			"÷ 1 publisher: messages published per second, by all together, to those of one. The publishers are processes that share two processors,",
			"a subscriber shares one of them.",
		},
		Rows: fanIn,
	})
	Register(Table{
		Name: "slots", Order: 54,
		Title: "One way by the number of messages that the ring holds, 48 bytes (more is better)",
		Notes: []string{"÷ default: messages per second to those with as many as by default."},
		Rows:  bySlots,
	})
}

func fanOut(ctx context.Context, b *Bench, each func(Row)) error {
	var errs []error
	for _, policy := range []string{"reliable", "lossy"} {
		spec := host.MustSpec("shmbus:size=48").With("policy", policy)
		for _, n := range []int{4, 16} {
			q := Question{
				Case:   fmt.Sprintf("1 to %d, %s", n, policy),
				Params: map[string]any{"subscribers": n, "policy": policy},
				Ours:   Side{Label: "shmbus", Spec: spec, Places: b.toSubscribers(n)},
				Others: []Side{{Label: "1 to 1", Spec: spec, Places: b.toSubscribers(1)}},
				Metric: host.Throughput,
				Beside: []Beside{{"shmbus", "cpu", host.CPU}},
			}
			if policy == "lossy" {
				q.Beside = append(q.Beside, Beside{"shmbus", "lost", host.Lost}, Beside{"1 to 1", "1 to 1 lost", host.Lost})
			}
			errs = append(errs, b.Ask(ctx, q, each))
		}
	}
	return errors.Join(errs...)
}

// toSubscribers is the places of one publisher and n subscribers.
func (b *Bench) toSubscribers(n int) (places []host.Place) {
	for i := range n {
		places = append(places, host.Place{Role: "recv", CPU: b.Host.CPUs[1], Index: i, Count: n})
	}
	return append(places, host.Place{Role: "send", CPU: b.Host.CPUs[0]})
}

func fanIn(ctx context.Context, b *Bench, each func(Row)) error {
	counts := []int{2, 8, 16}
	if b.Full {
		counts = []int{2, 4, 8, 16}
	}
	var errs []error
	for _, to := range []string{"nobody", "one subscriber"} {
		for _, n := range counts {
			spec := func(n int) host.Spec { return host.MustSpec("shmbus:size=48").With("senders", n) }
			q := Question{
				Case:   fmt.Sprintf("%d to %s", n, to),
				Params: map[string]any{"publishers": n, "to": to},
				Ours:   Side{Label: "shmbus", Spec: spec(n), Places: b.fromPublishers(n, to == "nobody")},
				Others: []Side{{Label: "1 publisher", Spec: spec(1), Places: b.fromPublishers(1, to == "nobody")}},
				Metric: host.Throughput,
				Beside: []Beside{{"shmbus", "cpu", host.CPU}},
			}
			if n == 8 {
				q.Target = map[string]Target{"÷ 1 publisher": AtLeast(0.5)}
			}
			errs = append(errs, b.Ask(ctx, q, each))
		}
	}
	return errors.Join(errs...)
}

// fromPublishers is the places of n publishers and a subscriber of all of them, or one that wants
// none of their messages.
func (b *Bench) fromPublishers(n int, toNobody bool) []host.Place {
	places := []host.Place{{Role: "recv", CPU: b.Host.CPUs[1], Times: n}}
	if toNobody {
		places[0] = host.Place{Role: "asleep", CPU: b.Host.CPUs[1]}
	}
	for i := range n {
		places = append(places, host.Place{Role: "send", CPU: b.Host.CPUs[i%2], Index: i, Count: n})
	}
	return places
}

func bySlots(ctx context.Context, b *Bench, each func(Row)) error {
	shifts := []int{6, 9, 12, 18}
	if b.Full {
		shifts = []int{6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18}
	}
	slots := func(n int) host.Spec { return host.MustSpec("shmbus:size=48").With("slots", n) }
	var errs []error
	for _, shift := range shifts {
		n := 1 << shift
		q := Question{
			Case:   fmt.Sprintf("%d slots", n),
			Params: map[string]any{"slots": n},
			Ours:   Side{Label: "shmbus", Spec: slots(n)},
			Others: []Side{{Label: "default", Spec: slots(layout.Default().Slots)}},
			Places: b.Host.Stream(),
			Metric: host.Throughput,
			Beside: []Beside{{"shmbus", "cpu send", host.CPUPerMessage("send")}, {"shmbus", "cpu recv", host.CPUPerMessage("recv")}},
		}
		errs = append(errs, b.Ask(ctx, q, each))
	}
	return errors.Join(errs...)
}
