//go:build !race

package bus

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// sixteen decodes itself and allocates nothing.
type sixteen [16]byte

func (s *sixteen) UnmarshalMsg(b []byte) ([]byte, error) { copy(s[:], b); return nil, nil }

// The hot path allocates nothing: each way to publish, each way to receive. In the form for any
// goroutine that is so where the caller keeps the message.
func TestNoAllocations(t *testing.T) {
	for name, opts := range map[string][]CommonOption{"shared": nil, "exclusive": {Exclusive()}} {
		t.Run(name, func(t *testing.T) { testNoAllocations(t, opts) })
	}
}

func testNoAllocations(t *testing.T, opts []CommonOption) {
	b := newBus(t)
	ctx := context.Background()
	var pub []PublishOption
	sub := []SubscribeOption{Reliable()}
	for _, o := range opts {
		pub, sub = append(pub, o), append(sub, o)
	}
	p, timed, s := publisher(t, b, "a", pub...), publisher(t, b, "a", append(pub, WithTime())...), subscribe(t, b, "a", sub...)
	filtered := subscribe(t, b, "b", sub[1:]...)
	raw := make([]byte, 48)
	big := make([]byte, 5000)
	value := &struct {
		Symbol   string `msgpack:"s"`
		Bid, Ask float64
		Size     int
		Flags    []bool
	}{"SAP", 1, 2, 3, []bool{true, false}}
	var m, other Message
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
	// What the form for any goroutine gives to the caller is allocated.
	given := map[string]float64{}
	if len(opts) == 0 {
		given = map[string]float64{
			"PublishRaw, Next": 1,
			"ReceiveInto":      1,
			"Reserve":          4, // the reservation, what takes it back, and the garbage collector's notes of that
		}
	}
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
		"Publish on the bus":  func() { b.Publish(ctx, "a", value); receive() },
		"raw on the bus": func() {
			b.PublishRaw(ctx, "a", raw)
			b.PublishRaw(ctx, "b", raw)
			filtered.Receive(ctx, &other)
			receive()
		},
		"skipping": func() { p.PublishRaw(ctx, raw); receive(); filtered.TryNext() },
	} {
		for range 100 {
			f() // buffers grow to their size
		}
		require.Equal(t, given[name], testing.AllocsPerRun(1000, f), name)
	}
}
