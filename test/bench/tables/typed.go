package tables

import (
	"context"
	"errors"

	"shmbus/test/bench/host"
)

func init() {
	Register(Table{
		Name: "typed", Order: 40,
		Title: "A struct of six fields one way, published and received as one (more is better)",
		Notes: []string{
			"÷ codec alone: to encoding and decoding in one goroutine, and carrying it nowhere; the bus does both at the same time, in two processes.",
			"reflect: github.com/vmihailenco/msgpack by reflection. generated: by the struct's own methods, made by github.com/tinylib/msgp.",
		},
		Rows: typed,
	})
	Register(Table{
		Name: "encoding", Order: 41,
		Title: "Encoding into the slot, decoding out of it (less is better)",
		Notes: []string{
			"One goroutine that publishes, or reads, to itself: what that takes is in the figures of slot and copy.",
			"÷ Marshal: to msgpack.Marshal and Unmarshal alone. ÷ reused: to an encoder and a decoder that are kept, alone. ÷ copy: to encoding into a kept",
			"buffer and publishing that, or receiving a copy and decoding that. Encoded, a map has 1 kB, a document, of maps and lists, 10 kB.",
		},
		Rows: encoding,
	})
}

func typed(ctx context.Context, b *Bench, each func(Row)) error {
	var errs []error
	for _, codec := range []string{"generated", "reflect"} {
		spec := func(name string) host.Spec { return host.Spec{Contender: name}.With("codec", codec) }
		q := Question{
			Case:   codec,
			Params: map[string]any{"codec": codec},
			Ours:   Side{Label: "shmbus", Spec: spec("typed-shmbus")},
			Others: []Side{
				{Label: "NATS", Spec: spec("typed-nats")},
				{Label: "Unix socket", Spec: spec("typed-unix")},
				{Label: "codec alone", Spec: spec("typed-codec"), Places: []host.Place{{Role: "both", CPU: b.Host.CPUs[0]}}},
			},
			Places: b.Host.Stream(),
			Metric: host.Throughput,
			Target: map[string]Target{"÷ NATS": AtLeast(5), "÷ Unix socket": AtLeast(3)},
			Beside: []Beside{
				{"shmbus", "cpu send", host.CPUPerMessage("send")}, {"shmbus", "cpu recv", host.CPUPerMessage("recv")},
				{"codec alone", "codec's cpu", host.CPU},
			},
		}
		errs = append(errs, b.Ask(ctx, q, each))
	}
	return errors.Join(errs...)
}

func encoding(ctx context.Context, b *Bench, each func(Row)) error {
	short := *b
	short.Run /= 4 // one process, whose figures hold still
	var errs []error
	for _, role := range []string{"encode", "decode"} {
		for _, what := range []struct{ name, value, codec string }{
			{"struct, generated", "struct", "generated"}, {"struct, reflect", "struct", "reflect"}, {"map", "map", "reflect"}, {"document", "document", "reflect"},
		} {
			way := func(w string) host.Spec {
				return host.MustSpec("typed-encoding").With("value", what.value).With("codec", what.codec).With("way", w)
			}
			q := Question{
				Case:   role + " " + what.name,
				Params: map[string]any{"role": role, "value": what.value, "codec": what.codec},
				Ours:   Side{Label: "slot", Spec: way("slot")},
				Others: []Side{{Label: "Marshal", Spec: way("fresh")}, {Label: "reused", Spec: way("reused")}, {Label: "copy", Spec: way("copy")}},
				Places: []host.Place{{Role: role, CPU: b.Host.CPUs[0]}},
				Metric: host.Each(role),
			}
			errs = append(errs, short.Ask(ctx, q, each))
		}
	}
	return errors.Join(errs...)
}
