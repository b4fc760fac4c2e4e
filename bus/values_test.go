package bus

import (
	"bytes"
	"fmt"
	"iter"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
)

// A field without a msgpack tag has the name of its json tag in the frame.
func TestPublishUsesJSONTags(t *testing.T) {
	b := newBus(t)
	ctx := soon(t)
	s, p := subscribe(t, b, ">"), publisher(t, b, "a")
	require.NoError(t, p.Publish(ctx, struct {
		Bid  float64 `json:"bid"`
		Ask  float64 `msgpack:"a" json:"ask"`
		Note string  `json:"note,omitempty"`
		Own  string  `json:"-"`
		Size int
	}{Bid: 101.5, Ask: 101.6, Own: "x", Size: 7}))
	m, err := s.Next(ctx)
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, msgpack.Unmarshal(m.Raw, &got))
	require.Equal(t, map[string]any{"bid": 101.5, "a": 101.6, "Size": int8(7)}, got)
}

// A string that one frame interns is whole in the next one: a subscriber may begin anywhere.
func TestInterningEndsWithTheFrame(t *testing.T) {
	b := newBus(t)
	ctx := soon(t)
	s, p := subscribe(t, b, ">"), publisher(t, b, "a")
	type row struct {
		A string `msgpack:",intern"`
		B string `msgpack:",intern"`
	}
	for range 3 {
		require.NoError(t, p.Publish(ctx, row{"frankfurt", "frankfurt"}))
		got, _, err := Receive[row](ctx, s)
		require.NoError(t, err)
		require.Equal(t, row{"frankfurt", "frankfurt"}, got)
	}
}

// internedRows reads what a list of structs with interned strings is, by way of the msgpack
// package.
type internedRows struct{ list []internedRow }

type internedRow struct {
	A string `msgpack:",intern"`
}

func (r *internedRows) DecodeMsgpack(d *msgpack.Decoder) error { return d.Decode(&r.list) }

// A frame may intern any number of strings, also such whose index looks like the head of a map.
func TestManyInternedStrings(t *testing.T) {
	b := newBus(t, WithMaxFrame(64<<10))
	ctx := soon(t)
	s, p := subscribe(t, b, ">"), publisher(t, b, "a")
	var list []internedRow
	for range 2 {
		for i := range 300 {
			list = append(list, internedRow{fmt.Sprintf("string %d", i)})
		}
	}
	require.NoError(t, p.Publish(ctx, list))
	require.NoError(t, p.Publish(ctx, list))
	rows, _, err := Receive[internedRows](ctx, s)
	require.NoError(t, err)
	require.Equal(t, list, rows.list)
	plain, _, err := Receive[[]internedRow](ctx, s)
	require.NoError(t, err)
	require.Equal(t, list, plain)
}

// nines is deep enough, wide enough or long enough to harm whoever believes it.
var nines = map[string][]byte{
	"4 MB of arrays":         append(bytes.Repeat([]byte{0x91}, 4<<20), 0xc0),
	"4 MB of maps":           append(bytes.Repeat([]byte{0x81, 0xa0}, 2<<20), 0xc0),
	"a million pairs, often": append(bytes.Repeat([]byte("\x81\xa1a\xdf\x00\x0f\x42\x40"), 75), 0xc0),
	"4 GiB announced":        []byte("\xdd\xff\xff\xff\xff\xc0"),
	"4 GiB of string":        []byte("\xdb\xff\xff\xff\xffabc"),
	"two frames":             {1, 2},
	"half a frame":           {0x92, 1},
	"nothing":                {},
}

// trusting decodes itself and believes all that it is told.
type trusting struct{ list []any }

func (l *trusting) UnmarshalMsg(b []byte) ([]byte, error) {
	var err error
	dec := msgpack.NewDecoder(bytes.NewReader(b))
	l.list, err = dec.DecodeSlice()
	return nil, err
}

// asking is trusting by way of the msgpack package.
type asking struct{ v any }

func (a *asking) DecodeMsgpack(d *msgpack.Decoder) (err error) {
	a.v, err = d.DecodeInterface()
	return err
}

// A frame that would kill or exhaust the process is an error for whoever decodes it, in each way,
// and the next message comes.
func TestHostileFramesAreErrors(t *testing.T) {
	b := newBus(t, WithMaxFrame(8<<20), WithSlots(1<<16))
	ctx := soon(t)
	s, p := subscribe(t, b, ">"), publisher(t, b, "a")
	for name, frame := range nines {
		for into, receive := range map[string]func() error{
			"Unmarshaler":   func() error { _, _, err := Receive[trusting](ctx, s); return err },
			"CustomDecoder": func() error { _, _, err := Receive[asking](ctx, s); return err },
			"RawMessage":    func() error { _, _, err := Receive[msgpack.RawMessage](ctx, s); return err },
			"any":           func() error { _, _, err := Receive[any](ctx, s); return err },
			"map":           func() error { _, _, err := Receive[map[string]any](ctx, s); return err },
			"slice":         func() error { _, _, err := Receive[[]any](ctx, s); return err },
			"struct":        func() error { _, _, err := Receive[struct{ A any }](ctx, s); return err },
			"Decode": func() error {
				m, err := s.Next(ctx)
				require.NoError(t, err)
				var v any
				return m.Decode(&v)
			},
			"Read": func() error {
				return s.Read(ctx, func(v View) error { var x any; return v.Decode(&x) })
			},
			"Values": func() error {
				for _, err := range Values[map[string]any](ctx, s) {
					return err
				}
				return nil
			},
		} {
			if len(frame) == 0 {
				continue // is no message
			}
			require.NoError(t, p.PublishRaw(ctx, frame))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := receive()
			runtime.ReadMemStats(&after)
			require.ErrorIs(t, err, ErrDecode, "%s into %s", name, into)
			var e *DecodeError
			require.ErrorAs(t, err, &e)
			require.Equal(t, "a", e.Topic)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(50<<20), "%s into %s", name, into)
		}
	}
	require.NoError(t, p.Publish(ctx, 7))
	v, _, err := Receive[int](ctx, s)
	require.NoError(t, err)
	require.Equal(t, 7, v)
}

func TestDecodeErrorsNameTheMessage(t *testing.T) {
	b := newBus(t)
	ctx := soon(t)
	s, p := subscribe(t, b, ">"), publisher(t, b, "eu.SAP")
	require.NoError(t, p.Publish(ctx, 1))
	require.NoError(t, p.Publish(ctx, map[string]any{"levels": []any{map[string]any{"size": 1}, map[string]any{"size": 300}}}))
	require.NoError(t, p.Publish(ctx, ownCodec{7}))
	type book struct {
		Levels []struct {
			Size int8 `json:"size"`
		} `json:"levels"`
	}
	_, err := s.Next(ctx)
	require.NoError(t, err)
	_, m, err := Receive[book](ctx, s)
	require.EqualError(t, err, `decode message 1 on topic "eu.SAP": levels[1].size: 300 does not fit int8`)
	require.ErrorIs(t, err, ErrDecode)
	require.Equal(t, uint64(1), m.Position, "the message comes as well")
	var e *DecodeError
	require.ErrorAs(t, err, &e)
	require.Equal(t, DecodeError{"eu.SAP", 1, "levels[1].size", e.Err}, *e)

	m, err = s.Next(ctx)
	require.NoError(t, err)
	m.Raw = []byte{0xcd, 0, 1}
	var own ownCodec
	require.EqualError(t, m.Decode(&own), `decode message 2 on topic "eu.SAP": not a uint8`)
	m.Raw = []byte{0xcc, 1, 2}
	require.EqualError(t, m.Decode(&own), `decode message 2 on topic "eu.SAP": byte 2: unexpected data after the value`)
}

func TestTypedAndValues(t *testing.T) {
	b := newBus(t)
	ctx := soon(t)
	s, p := subscribe(t, b, ">"), publisher(t, b, "a")
	for _, v := range []any{1, "two", 3} {
		require.NoError(t, p.Publish(ctx, v))
	}
	next, stop := iter.Pull2(Messages[int](ctx, s))
	defer stop()
	m, err, _ := next()
	require.NoError(t, err)
	require.Equal(t, []any{"a", uint64(0), 1}, []any{m.Topic, m.Position, m.Value})
	m, err, _ = next()
	require.EqualError(t, err, `decode message 1 on topic "a": the string "two" does not fit int`)
	require.Equal(t, []any{"a", uint64(1), 0}, []any{m.Topic, m.Position, m.Value})
	values, stopValues := iter.Pull2(Values[int](ctx, s))
	defer stopValues()
	v, err, _ := values()
	require.NoError(t, err)
	require.Equal(t, 3, v)
}

// A loop that leaves out the error of All cannot take a loss for a message.
func TestLossIsNoMessage(t *testing.T) {
	b := newBus(t, WithSlots(64))
	ctx := soon(t)
	s, p := subscribe(t, b, ">"), publisher(t, b, "a")
	for i := range 200 {
		require.NoError(t, p.Publish(ctx, i))
	}
	refused := 0
	for m := range s.All(ctx) {
		var v int
		if err := m.Decode(&v); err != nil {
			require.ErrorIs(t, err, ErrDecode)
			require.ErrorContains(t, err, "there is no message")
			refused++
		} else if v == 199 {
			break
		}
	}
	require.Equal(t, 1, refused)
	require.NotZero(t, s.Stats().Lost)
}
