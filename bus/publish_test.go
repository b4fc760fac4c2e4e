package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
)

type quote struct {
	Symbol string  `msgpack:"s"`
	Bid    float64 `msgpack:"b"`
	Size   int     `msgpack:"n,omitempty"`
	At     time.Time
}

// ownCodec encodes itself as generated code does.
type ownCodec struct{ v uint8 }

func (o ownCodec) MarshalMsg(b []byte) ([]byte, error) { return append(b, 0xcc, o.v), nil }

func (o *ownCodec) UnmarshalMsg(b []byte) ([]byte, error) {
	if len(b) < 2 || b[0] != 0xcc {
		return b, errors.New("not a uint8")
	}
	o.v = b[1]
	return b[2:], nil
}

// customCodec uses the interfaces of the msgpack package.
type customCodec struct{ a, b int }

func (c customCodec) EncodeMsgpack(e *msgpack.Encoder) error { return e.EncodeMulti(c.a, c.b) }
func (c *customCodec) DecodeMsgpack(d *msgpack.Decoder) error {
	return d.DecodeMulti(&c.a, &c.b)
}

func TestPublishValues(t *testing.T) {
	b := newBus(t)
	ctx := soon(t)
	s := subscribe(t, b, ">")
	p := publisher(t, b, "a")
	q := quote{Symbol: "SAP", Bid: 101.5, At: time.Unix(5, 6).UTC()}
	require.NoError(t, p.Publish(ctx, q))
	got, m, err := Receive[quote](ctx, s)
	require.NoError(t, err)
	require.Equal(t, q.Symbol, got.Symbol)
	require.True(t, q.At.Equal(got.At))
	require.Equal(t, "a", m.Topic)
	require.Equal(t, uint64(0), m.Position)
	require.True(t, m.Time().IsZero())

	require.NoError(t, p.Publish(ctx, ownCodec{7}))
	own, _, err := Receive[ownCodec](ctx, s)
	require.NoError(t, err)
	require.Equal(t, ownCodec{7}, own)

	require.NoError(t, p.Publish(ctx, customCodec{3, 4}))
	custom, _, err := Receive[customCodec](ctx, s)
	require.NoError(t, err)
	require.Equal(t, customCodec{3, 4}, custom)

	require.NoError(t, p.Publish(ctx, map[string]any{"x": []int{1, 2}}))
	mp, _, err := Receive[map[string]any](ctx, s)
	require.NoError(t, err)
	require.Contains(t, mp, "x")

	_, _, err = Receive[quote](cancelled(), s)
	require.ErrorIs(t, err, context.Canceled)
	require.Error(t, p.Publish(ctx, make(chan int)), "not encodable")
	require.NoError(t, p.Publish(ctx, 1), "and the publisher goes on")
}

// What a value held before is not mixed with the message, and is gone also if there is none.
// odd is a value whose encoding sets whatever an encoder can be told.
type odd struct{}

func (odd) EncodeMsgpack(e *msgpack.Encoder) error {
	e.UseArrayEncodedStructs(true)
	e.UseCompactInts(false)
	e.UseCompactFloats(true)
	e.UseInternedStrings(true)
	e.SetOmitEmpty(true)
	e.SetCustomStructTag("other")
	return e.EncodeInt(1)
}

// What a type tells its encoder is for its own frame.
func TestEncodersForget(t *testing.T) {
	type plain struct {
		Name string  `json:"n" other:"o"`
		Zero int     `json:"z"`
		Half float64 `json:"h"`
	}
	for _, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			b := newBus(t)
			ctx := soon(t)
			p, s := publisher(t, b, "a", form.publish...), subscribe(t, b, "a")
			for range 10 {
				require.NoError(t, p.Publish(ctx, odd{}))
				_, err := s.Next(ctx)
				require.NoError(t, err)
				require.NoError(t, p.Publish(ctx, plain{Name: "long enough", Half: 0.5}))
				m, err := s.Next(ctx)
				require.NoError(t, err)
				require.Equal(t, "\x83\xa1n\xablong enough\xa1z\x00\xa1h\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00", string(m.Raw))
			}
		})
	}
}

func TestReceiveInto(t *testing.T) {
	b := newBus(t)
	ctx := soon(t)
	s, p := subscribe(t, b, ">"), publisher(t, b, "a")
	require.NoError(t, p.Publish(ctx, map[string]any{"s": "SAP", "b": 1.5}))
	require.NoError(t, p.Publish(ctx, map[string]any{"b": 2.5}))
	require.NoError(t, p.Publish(ctx, "no quote"))
	var v struct {
		Symbol string  `msgpack:"s"`
		Bid    float64 `msgpack:"b"`
	}
	m, err := ReceiveInto(ctx, s, &v)
	require.NoError(t, err)
	require.Equal(t, "SAP", v.Symbol)
	require.Equal(t, 1.5, v.Bid)
	require.Zero(t, m.Position)
	m, err = ReceiveInto(ctx, s, &v)
	require.NoError(t, err)
	require.Empty(t, v.Symbol)
	require.Equal(t, 2.5, v.Bid)
	require.EqualValues(t, 1, m.Position)
	m, err = ReceiveInto(ctx, s, &v)
	require.Error(t, err)
	require.EqualValues(t, 2, m.Position, "the message is there")
	require.Zero(t, v)
	v.Bid = 1
	_, err = ReceiveInto(cancelled(), s, &v)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, v)
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// Every size around the boundaries of slots and fragments, with and without a time, in every way of
// publishing.
func TestFrameSizes(t *testing.T) {
	b := newBus(t, WithSlotSize(128), WithMaxFrame(5000), WithSlots(128))
	ctx := soon(t)
	payload := 112
	ways := map[string]func(p *Publisher, f []byte) error{
		"raw": func(p *Publisher, f []byte) error { return p.PublishRaw(ctx, f) },
		"reserve": func(p *Publisher, f []byte) error {
			r, err := p.Reserve(len(f))
			if err != nil {
				return err
			}
			require.Len(t, r.Bytes(), len(f))
			copy(r.Bytes(), f)
			return r.Commit(ctx)
		},
		"marshaler": func(p *Publisher, f []byte) error { return p.Publish(ctx, rawMarshaler(f)) },
		"encoder":   func(p *Publisher, f []byte) error { return p.Publish(ctx, msgpack.RawMessage(f)) },
	}
	sizes := []int{1, 7, 8, 9, 4999, 5000}
	for k := 1; k < 5; k++ {
		for d := -17; d <= 9; d++ {
			if n := k*payload + d; n > 0 {
				sizes = append(sizes, n, k*(payload-8)+d)
			}
		}
	}
	for _, timed := range []bool{false, true} {
		var opts []PublishOption
		if timed {
			opts = []PublishOption{WithTime()}
		}
		p := publisher(t, b, "t", opts...)
		s := subscribe(t, b, "t")
		for way, publish := range ways {
			t.Run(fmt.Sprintf("%s/time=%v", way, timed), func(t *testing.T) {
				for _, n := range sizes {
					f := make([]byte, n)
					for i := range f {
						f[i] = byte(rand.Uint32())
					}
					before := time.Now()
					require.NoError(t, publish(p, f), "size %d", n)
					m, err := s.Next(ctx)
					require.NoError(t, err, "size %d", n)
					require.True(t, bytes.Equal(f, m.Raw), "size %d", n)
					require.Equal(t, n, m.Size())
					require.Equal(t, timed, !m.Time().IsZero())
					if timed {
						require.WithinRange(t, m.Time(), before.Add(-time.Second), time.Now().Add(time.Second))
					}
				}
				require.ErrorIs(t, publish(p, make([]byte, 5001)), ErrTooLarge)
			})
		}
		require.Error(t, p.PublishRaw(ctx, nil), "no frame at all")
		require.NoError(t, p.Close())
		require.NoError(t, s.Close())
	}
}

// The largest frame may be smaller than a slot.
func TestLargestFrameSmallerThanASlot(t *testing.T) {
	b := newBus(t, WithMaxFrame(100))
	s := subscribe(t, b, ">")
	for _, opts := range [][]PublishOption{nil, {WithTime()}} {
		p := publisher(t, b, "a", opts...)
		for name, publish := range map[string]func(f []byte) error{
			"PublishRaw":   func(f []byte) error { return p.PublishRaw(soon(t), f) },
			"PublishBatch": func(f []byte) error { _, err := p.PublishBatch(soon(t), [][]byte{f}); return err },
			"marshaler":    func(f []byte) error { return p.Publish(soon(t), rawMarshaler(f)) },
			"encoder":      func(f []byte) error { return p.Publish(soon(t), msgpack.RawMessage(f)) },
		} {
			require.ErrorIs(t, publish(contents(101, 0)), ErrTooLarge, name)
			require.NoError(t, publish(contents(100, 0)), name)
			m, err := s.Next(soon(t))
			require.NoError(t, err, name)
			require.Equal(t, contents(100, 0), m.Raw, name)
		}
	}
	require.Zero(t, s.Lag())
}

type rawMarshaler []byte

func (r rawMarshaler) MarshalMsg(b []byte) ([]byte, error) { return append(b, r...), nil }

func TestReservation(t *testing.T) {
	b := newBus(t)
	ctx := soon(t)
	s := subscribe(t, b, ">")
	p := publisher(t, b, "a", Exclusive())
	r, err := p.Reserve(3)
	require.NoError(t, err)
	_, err = p.Reserve(1)
	require.ErrorIs(t, err, ErrBusy)
	require.ErrorIs(t, p.PublishRaw(ctx, []byte{1}), ErrBusy)
	require.ErrorIs(t, p.Publish(ctx, 1), ErrBusy)
	r.Abort()
	r.Abort()
	require.ErrorIs(t, r.Commit(ctx), ErrClosed)
	_, err = s.TryNext()
	require.ErrorIs(t, err, ErrEmpty, "nothing was published")
	_, err = p.Reserve(0)
	require.Error(t, err)
	_, err = p.Reserve(1 << 30)
	require.ErrorIs(t, err, ErrTooLarge)
	require.NoError(t, p.PublishRaw(ctx, []byte{1}))

	// Closing does not wait for a reservation, whose holder may be the one who closes; the record
	// is given back with it.
	r, err = p.Reserve(3)
	require.NoError(t, err)
	require.NoError(t, p.Close())
	r.Bytes()[0] = 1 // still there
	require.ErrorIs(t, r.Commit(ctx), ErrClosed)
	snap, err := b.Snapshot()
	require.NoError(t, err)
	require.Empty(t, snap.Publishers)
}

func TestNoWaitSaysFull(t *testing.T) {
	b := newBus(t, WithSlots(64), WithSlotSize(64))
	s := subscribe(t, b, ">", Reliable())
	p := publisher(t, b, "a", NoWait())
	ctx := soon(t)
	n := 0
	for ; ; n++ {
		if err := p.PublishRaw(ctx, []byte{byte(n)}); err != nil {
			require.ErrorIs(t, err, ErrFull)
			break
		}
	}
	require.Equal(t, 64, n, "the whole ring is used")
	require.ErrorIs(t, p.PublishRaw(ctx, make([]byte, 200)), ErrFull, "no fragment of it is published")
	for i := range 64 {
		m, err := s.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, []byte{byte(i)}, m.Raw)
	}
	_, err := s.TryNext()
	require.ErrorIs(t, err, ErrEmpty)
	require.NoError(t, p.PublishRaw(ctx, make([]byte, 200)))
	m, err := s.Next(ctx)
	require.NoError(t, err)
	require.Equal(t, 200, m.Size())
}

func TestContextEndsTheWaitForRoom(t *testing.T) {
	for _, w := range []WaitStrategy{Adaptive, Block, Yield, Spin} {
		t.Run(w.String(), func(t *testing.T) {
			b := newBus(t, WithSlots(64))
			subscribe(t, b, ">", Reliable())
			p := publisher(t, b, "a", Wait(w))
			for range 64 {
				require.NoError(t, p.PublishRaw(soon(t), []byte{1}))
			}
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer cancel()
			require.ErrorIs(t, p.PublishRaw(ctx, []byte{1}), context.DeadlineExceeded)
			done := make(chan error)
			go func() { done <- p.PublishRaw(context.Background(), []byte{1}) }()
			eventually(t, "waiting", func() bool { s, _ := b.Snapshot(); return s.Publishers[0].Full >= 2 })
			require.NoError(t, p.Close())
			require.ErrorIs(t, <-done, ErrClosed)
		})
	}
}
