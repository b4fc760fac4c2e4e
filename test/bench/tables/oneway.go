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
		Name: "oneway", Order: 10,
		Title: "One way: one sender, one receiver that loses nothing (more is better)",
		Notes: []string{
			"÷ C ring: shmbus's messages per second to those of a ring of one writer and one reader in C, with slots as small as the size allows, release",
			"stores, cached indices, and the reader's index stored once per batch. ÷ C marks: to the same without a head index, each slot saying by itself that it",
			"is full: the fastest that we know. ÷ memcpy, ÷ pipe: to others. batch: 64 messages a call, against the same rings.",
			"memcpy hands over large frames and does nothing else. cpu: processor time of each side for a message, waiting included.",
			"shmbus has its default, 16384 slots of 256 bytes, or larger ones where a message needs them and fewer so that all take 8 MiB at most: a ring",
			"that the cache does not hold is slower, whosever it is. The C rings have as many slots.",
		},
		Rows: oneWay,
	})
}

// ringBytes bounds the memory of a ring, so that large frames stay in the cache as they do with
// whoever hands over few buffers.
const ringBytes = 8 << 20

// slotOf returns the bytes of the smallest slot that holds a message and its header.
func slotOf(size int) int { return (size + 16 + 63) / 64 * 64 }

// ourSlot returns the bytes of the slots that shmbus has for messages of a size: as many as by
// default, or what a larger one needs.
func ourSlot(size int) int { return max(slotOf(size), layout.Default().SlotSize) }

// slotsFor returns how many slots of so many bytes a ring has.
func slotsFor(slot int) int {
	slots := layout.Default().Slots
	for slots > 8 && slots*slot > ringBytes {
		slots /= 2
	}
	return slots
}

func oneWay(ctx context.Context, b *Bench, each func(Row)) error {
	sizes := []int{16, 48, 64, 256, 1024, 4096, 64 << 10, 1 << 20}
	if b.Full {
		sizes = []int{16, 24, 32, 48, 64, 112, 128, 240, 256, 512, 1024, 2048, 4096, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20}
	}
	var errs []error
	for _, size := range sizes {
		slot := ourSlot(size)
		errs = append(errs, b.Ask(ctx, b.oneWay(size, slot, 1, Bytes(size)), each))
		if size == 48 || b.Full && size <= 4096 {
			errs = append(errs, b.Ask(ctx, b.oneWay(size, slot, 64, Bytes(size)+", batch"), each))
		}
		if size == 48 || size == 64 {
			errs = append(errs, b.Ask(ctx, b.oneWayWith(size, layout.Default().Slots, 128), each), b.Ask(ctx, b.oneWayWith(size, 4096, slotOf(size)), each))
		}
		if fragment := 64<<10 + 64; slot > fragment {
			errs = append(errs, b.Ask(ctx, b.oneWay(size, fragment, 1, Bytes(size)+" in fragments"), each))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

func (b *Bench) oneWay(size, slot, batch int, name string) Question {
	ours := host.MustSpec("shmbus").With("size", size).With("slotsize", slot).With("slots", slotsFor(slot)).With("wait", "adaptive").With("batch", batch)
	ring := host.MustSpec("native/ring").With("size", size).With("slots", slotsFor(slot))
	q := Question{
		Case:   name,
		Params: map[string]any{"size": size, "slotsize": slot, "batch": batch},
		Ours:   Side{Label: "shmbus", Spec: ours},
		Others: []Side{
			{Label: "C ring", Spec: ring.With("mark", "head")},
			{Label: "C marks", Spec: ring},
		},
		Places: b.Host.Stream(),
		Metric: host.Throughput,
		Beside: []Beside{
			{"shmbus", "bytes", host.Volume(size)},
			{"shmbus", "cpu send", host.CPUPerMessage("send")},
			{"shmbus", "cpu recv", host.CPUPerMessage("recv")},
		},
	}
	switch {
	case size >= 64<<10:
		q.Others = append(q.Others, Side{Label: "memcpy", Spec: host.MustSpec("native/memcpy").With("size", size)})
		if size == 1<<20 {
			q.Target = map[string]Target{"÷ memcpy": AtLeast(0.8)}
		}
	case batch > 1 && size == 48:
		q.Target = map[string]Target{"÷ C ring": AtLeast(1.2)}
	case size == 48 || size == 64:
		q.Target = map[string]Target{"÷ C ring": AtLeast(0.9), "÷ pipe": AtLeast(20)}
	case size == 256 || size == 1024 || size == 4096:
		q.Target = map[string]Target{"÷ C ring": AtLeast(0.9)}
	}
	q.Others = append(q.Others, Side{Label: "pipe", Spec: host.MustSpec("pipe").With("size", size)})
	return q
}

// oneWayWith is with other slots than the default ones. That the parameter slots is there keeps it
// out of the charts by size.
func (b *Bench) oneWayWith(size, slots, slot int) Question {
	q := b.oneWay(size, slot, 1, fmt.Sprintf("%s, %d slots of %d B", Bytes(size), slots, slot))
	q.Params["slots"] = slots
	q.Ours.Spec = q.Ours.Spec.With("slots", slots)
	for i, o := range q.Others {
		if o.Spec.Contender == "native/ring" {
			q.Others[i].Spec = o.Spec.With("slots", slots)
		}
	}
	return q
}

// Bytes formats a size.
func Bytes(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<14 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}
