//go:build !race

package bus

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// sixteen decodes itself and allocates nothing.
type sixteen [16]byte

func (s *sixteen) UnmarshalMsg(b []byte) ([]byte, error) { return b[copy(s[:], b):], nil }

// The hot path allocates nothing: each way to publish, each way to receive.
func TestNoAllocations(t *testing.T) {
	b := newBus(t)
	ctx := context.Background()
	p, timed, s := publisher(t, b, "a"), publisher(t, b, "a", WithTime()), subscribe(t, b, "a", Reliable())
	filtered := subscribe(t, b, "b")
	raw := make([]byte, 48)
	big := make([]byte, 5000)
	value := &struct {
		Symbol   string `msgpack:"s"`
		Bid, Ask float64
		Size     int
		Flags    []bool
	}{"SAP", 1, 2, 3, []bool{true, false}}
	var m Message
	var own sixteen
	view := func(View) error { return nil }
	batch, frames, mixed := make([]Message, 20), [][]byte{}, [][]byte{}
	for i := range 20 {
		frames = append(frames, raw)
		mixed = append(mixed, [][]byte{raw, big}[i%2])
	}
	receiveBatch := func(n int) {
		for n > 0 {
			k, err := s.ReceiveBatch(ctx, batch)
			require.NoError(t, err)
			n -= k
		}
	}
	receive := func() { require.NoError(t, s.Receive(ctx, &m)) }
	for name, f := range map[string]func(){
		"PublishRaw, Receive": func() { p.PublishRaw(ctx, raw); receive() },
		"PublishRaw, Next":    func() { p.PublishRaw(ctx, raw); s.Next(ctx) },
		"PublishRaw, Read":    func() { p.PublishRaw(ctx, raw); s.Read(ctx, view) },
		"with a time":         func() { timed.PublishRaw(ctx, raw); receive() },
		"fragments":           func() { p.PublishRaw(ctx, big); receive() },
		"Publish of a struct": func() { p.Publish(ctx, value); receive() },
		"ReceiveInto":         func() { p.Publish(ctx, value); ReceiveInto(ctx, s, &own) },
		"Reserve":             func() { r, _ := p.Reserve(10); r.Commit(ctx); receive() },
		"batches":             func() { p.PublishBatch(ctx, frames); receiveBatch(20) },
		"mixed batches":       func() { p.PublishBatch(ctx, mixed); timed.PublishBatch(ctx, mixed); receiveBatch(40) },
		"skipping":            func() { p.PublishRaw(ctx, raw); receive(); filtered.TryNext() },
	} {
		for range 100 {
			f() // buffers grow to their size
		}
		require.Zero(t, testing.AllocsPerRun(1000, f), name)
	}
}
