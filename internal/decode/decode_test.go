package decode_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"math/big"
	"math/rand"
	"net/netip"
	"reflect"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"testing/quick"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"shmbus/internal/decode"
	"shmbus/internal/wire"
)

// encode is what the bus publishes.
func encode(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := msgpack.NewEncoder(&b)
	e.UseCompactInts(true)
	e.SetCustomStructTag("json")
	require.NoError(t, e.Encode(v))
	return b.Bytes()
}

func number(text string) []byte {
	return append(wire.AppendExtHead(nil, wire.ExtNumber, len(text)), text...)
}

func bigInt(s string) big.Int {
	i, ok := new(big.Int).SetString(s, 10)
	if !ok {
		panic(s)
	}
	return *i
}

// into decodes a frame into a new T, and returns the T or the error's text.
func into[T any](b []byte) any {
	var v T
	if err := decode.Into(b, &v); err != nil {
		return err.Error()
	}
	return v
}

func TestNumbersFitOrAreErrors(t *testing.T) {
	type (
		small  int8
		series []small
	)
	float := func(f float64) []byte { return wire.AppendFloat64(nil, math.Float64bits(f)) }
	integer := func(n int64) []byte { return wire.AppendInt(nil, n) }
	unsigned := func(n uint64) []byte { return wire.AppendUint(nil, n) }
	float32s := encode(t, float32(0.1))
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"127 in int8", into[int8](integer(127)), int8(127)},
		{"300 in int8", into[int8](integer(300)), "300 does not fit int8"},
		{"-129 in int8", into[int8](integer(-129)), "-129 does not fit int8"},
		{"300 in a named type", into[series](append([]byte{0x92, 1}, integer(300)...)), "[1]: 300 does not fit decode_test.small"},
		{"40000 in int16", into[int16](integer(40000)), "40000 does not fit int16"},
		{"2^31 in int32", into[int32](integer(1 << 31)), "2147483648 does not fit int32"},
		{"2^63 in int64", into[int64](unsigned(1 << 63)), "9223372036854775808 does not fit int64"},
		{"2^63 in int", into[int](unsigned(1 << 63)), "9223372036854775808 does not fit int"},
		{"2^63 in a duration", into[time.Duration](unsigned(1 << 63)), "9223372036854775808 does not fit time.Duration"},
		{"-1 in uint", into[uint](integer(-1)), "-1 does not fit uint"},
		{"-1 in uint64", into[uint64](integer(-1)), "-1 does not fit uint64"},
		{"-1 in uint8", into[uint8](integer(-1)), "-1 does not fit uint8"},
		{"256 in uint8", into[uint8](integer(256)), "256 does not fit uint8"},
		{"2^64-1 in uint64", into[uint64](unsigned(math.MaxUint64)), uint64(math.MaxUint64)},
		{"an int64 of 5 in uint8", into[uint8]([]byte("\xd3\x00\x00\x00\x00\x00\x00\x00\x05")), uint8(5)},
		{"1.5 in int", into[int](float(1.5)), "1.5 does not fit int"},
		{"-0.5 in uint8", into[uint8](float(-0.5)), "-0.5 does not fit uint8"},
		{"1e5 in int", into[int](float(1e5)), 100000},
		{"-3.0 in int8", into[int8](float(-3)), int8(-3)},
		{"-0.0 in uint8", into[uint8](float(math.Copysign(0, -1))), uint8(0)},
		{"300.0 in int8", into[int8](float(300)), "300 does not fit int8"},
		{"2^63 as a float in int64", into[int64](float(1 << 63)), "9.223372036854776e+18 does not fit int64"},
		{"-2^63 as a float in int64", into[int64](float(-1 << 63)), int64(math.MinInt64)},
		{"2^63 as a float in uint64", into[uint64](float(1 << 63)), uint64(1 << 63)},
		{"2^64 as a float in uint64", into[uint64](float(1 << 64)), "1.8446744073709552e+19 does not fit uint64"},
		{"NaN in int", into[int](float(math.NaN())), "NaN does not fit int"},
		{"infinity in uint64", into[uint64](float(math.Inf(1))), "+Inf does not fit uint64"},
		{"7 in float64", into[float64](integer(7)), 7.0},
		{"2^53 in float64", into[float64](integer(1 << 53)), float64(1 << 53)},
		{"2^53+1 in float64", into[float64](integer(1<<53 + 1)), "9007199254740993 does not fit float64"},
		{"-2^53-1 in float64", into[float64](integer(-1<<53 - 1)), "-9007199254740993 does not fit float64"},
		{"2^63 in float64", into[float64](unsigned(1 << 63)), float64(1 << 63)},
		{"2^63-1 in float64", into[float64](integer(math.MaxInt64)), "9223372036854775807 does not fit float64"},
		{"-2^63 in float64", into[float64](integer(math.MinInt64)), float64(math.MinInt64)},
		{"2^64-1 in float64", into[float64](unsigned(math.MaxUint64)), "18446744073709551615 does not fit float64"},
		{"2^24+1 in float32", into[float32](integer(1<<24 + 1)), "16777217 does not fit float32"},
		{"0.1 in float32", into[float32](float(0.1)), float32(0.1)},
		{"1e39 in float32", into[float32](float(1e39)), "1e+39 does not fit float32"},
		{"infinity in float32", into[float32](float(math.Inf(-1))), float32(math.Inf(-1))},
		{"a float32 in float64", into[float64](float32s), float64(float32(0.1))},
		{"-0.0 in float64", math.Signbit(into[float64](float(math.Copysign(0, -1))).(float64)), true},
		{"true in int", into[int]([]byte{0xc3}), "true does not fit int"},
		{"1 in bool", into[bool]([]byte{1}), "1 does not fit bool"},
		{"a string in int", into[int](encode(t, "7")), `the string "7" does not fit int`},
		{"7 in string", into[string](integer(7)), "7 does not fit string"},
		{"a long string in float64", into[float64](encode(t, strings.Repeat("ab", 100))), `the string "` + strings.Repeat("ab", 19) + `a… does not fit float64`},
		{"an array in int", into[int]([]byte{0x92, 1, 2}), "an array of 2 does not fit int"},
		{"a map in an array", into[[]int](encode(t, map[string]int{"a": 1})), "a map of 1 does not fit []int"},
		{"a bin as a key of map[any]any", into[map[any]any]([]byte("\x82\xc4\x01a\x01\x02\x03")), map[any]any{"a": int64(1), int64(2): int64(3)}},
		{"an ext in int", into[int]([]byte("\xd4\x05a")), "an ext of type 5 does not fit int"},

		{"text 101.50 in float64", into[float64](number("101.50")), 101.5},
		{"text 1e5 in float64", into[float64](number("1e5")), 1e5},
		{"text of pi in float64", into[float64](number("3.14159265358979323846")), math.Pi},
		{"text 1e400 in float64", into[float64](number("1e400")), "1e400 does not fit float64"},
		{"text 2^64 in float64", into[float64](number("18446744073709551616")), float64(1 << 64)},
		{"text 2^64+1 in float64", into[float64](number("18446744073709551617")), "18446744073709551617 does not fit float64"},
		{"text 1e5 in int32", into[int32](number("1e5")), int32(100000)},
		{"text 100.00 in uint8", into[uint8](number("100.00")), uint8(100)},
		{"text 300.0 in uint8", into[uint8](number("300.0")), "300.0 does not fit uint8"},
		{"text 1.5 in int", into[int](number("1.5")), "1.5 does not fit int"},
		{"text 12345678901234567890e0 in uint64", into[uint64](number("12345678901234567890e0")), uint64(12345678901234567890)},
		{"text -0 in float64", math.Signbit(into[float64](number("-0")).(float64)), true},
		{"text 0.1 in float32", into[float32](number("0.10")), float32(0.1)},
		{"text in string", into[string](number("101.50")), "101.50"},
		{"text in json.Number", into[json.Number](number("101.50")), json.Number("101.50")},
		{"7 in json.Number", into[json.Number](integer(7)), json.Number("7")},
		{"-7 in json.Number", into[json.Number](integer(-7)), json.Number("-7")},
		{"0.1 in json.Number", into[json.Number](float(0.1)), json.Number("0.1")},
		{"1e21 in json.Number", into[json.Number](float(1e21)), json.Number("1e+21")},
		{"a float32 in json.Number", into[json.Number](float32s), json.Number("0.1")},
		{"NaN in json.Number", into[json.Number](float(math.NaN())), "NaN does not fit json.Number"},
		{"a json.Number as the bus publishes it", into[json.Number](encode(t, json.Number("1e5"))), json.Number("1e5")},
		{"a string in json.Number", into[json.Number](encode(t, "seven")), `the string "seven" does not fit json.Number`},
		{"text in big.Int", into[big.Int](number("99999999999999999999")), bigInt("99999999999999999999")},
		{"text 1e30 in big.Int", into[big.Int](number("1e30")), bigInt("1" + strings.Repeat("0", 30))},
		{"text 1e999999999 in big.Int", into[big.Int](number("1e999999999")), "1e999999999 does not fit big.Int"},
		{"text 1.5 in big.Int", into[big.Int](number("1.5")), "1.5 does not fit big.Int"},
		{"uint64 in big.Int", into[big.Int](unsigned(math.MaxUint64)), bigInt("18446744073709551615")},
		{"1e22 as a float in big.Int", into[big.Int](float(1e22)), bigInt("1" + strings.Repeat("0", 22))},
		{"NaN in big.Int", into[big.Int](float(math.NaN())), "NaN does not fit big.Int"},
		{"text in any", into[any](number("101.50")), 101.5},
		{"text 1e5 in any", into[any](number("1e5")), 1e5},
		{"text of 20 nines in any", into[any](number("99999999999999999999")), json.Number("99999999999999999999")},
		{"text 1e400 in any", into[any](number("1e400")), json.Number("1e400")},
		{"ext 78 that is no number in any", into[any]([]byte("\xd4Nx")), msgpack.RawMessage("\xd4Nx")},

		{"5 in any", into[any](integer(5)), int64(5)},
		{"-5 in any", into[any](integer(-5)), int64(-5)},
		{"200 in any", into[any](integer(200)), int64(200)},
		{"2^63 in any", into[any](unsigned(1 << 63)), uint64(1 << 63)},
		{"a float32 in any", into[any](float32s), float64(float32(0.1))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, tt.got)
		})
	}
}

type (
	inner struct {
		A int    `msgpack:"a"`
		B string `json:"b"`
	}
	tree struct {
		Name     string           `json:"name"`
		Children []*tree          `json:"children,omitempty"`
		ByName   map[string]*tree `json:"by_name"`
	}
	embedding struct {
		inner
		*Outer `json:"outer"`
		C      float64 `json:"c"`
	}
	Outer struct {
		D uint16 `json:"d"`
	}
	row struct {
		//lint:ignore U1000 the encoder reads its tag
		_msgpack struct{} `msgpack:",as_array"`
		X, Y     int
		Z        string
	}
	labels     map[string]string
	octet      byte
	everything struct {
		Bool    bool
		I8      int8
		I16     int16
		I32     int32
		I64     int64
		I       int
		U8      uint8
		U16     uint16
		U32     uint32
		U64     uint64
		U       uint
		F32     float32
		F64     float64 `msgpack:"f64,omitempty"`
		S       string  `msgpack:"s" json:"not this"`
		Bytes   []byte
		Fixed   [4]byte
		Ints    [3]int16
		Strings []string
		Deep    [][]map[string][]int
		Ptr     **int
		Map     map[string]string
		Labels  labels
		Octets  []octet
		Group   *[3]octet
		Number  json.Number
		Keys    map[int8]float32
		Bools   map[bool][]byte
		Structs map[uint16]inner
		Inner   inner `json:"inner"`
		Row     row
		Embed   embedding
		D       time.Duration
		Tree    *tree
		Skip    int `json:"-"`
	}
)

func (row) Generate(r *rand.Rand, _ int) reflect.Value {
	return reflect.ValueOf(row{X: r.Int(), Y: -r.Int(), Z: "z"})
}

func (embedding) Generate(r *rand.Rand, _ int) reflect.Value {
	e := embedding{inner: inner{A: r.Int(), B: "b"}, C: r.NormFloat64()}
	if r.Intn(2) == 0 {
		e.Outer = &Outer{uint16(r.Intn(1 << 16))}
	}
	return reflect.ValueOf(e)
}

// What the bus's encoder writes is decoded to what it was, as the msgpack package decodes it.
func TestDecodesWhatTheEncoderWrites(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for i := range 3000 {
		generated, ok := quick.Value(reflect.TypeFor[everything](), rand.New(rand.NewSource(int64(i))))
		require.True(t, ok)
		v := generated.Interface().(everything)
		v.Skip = 0
		v.Number = ""
		frame := encode(t, v)
		var got, want everything
		require.NoError(t, decode.Into(frame, &got), "%d", i)
		dec := msgpack.NewDecoder(bytes.NewReader(frame))
		dec.SetCustomStructTag("json")
		require.NoError(t, dec.Decode(&want))
		want.Embed.Outer = v.Embed.Outer // the package makes one of nothing
		require.Equal(t, want, got, "%d", i)
		if i%10 == 0 { // cut anywhere it is an error, and so is anything behind it
			cut := r.Intn(len(frame))
			require.ErrorIs(t, decode.Into(frame[:cut], &got), io.ErrUnexpectedEOF)
			require.ErrorIs(t, decode.Into(append(frame, 0), &got), wire.ErrTrailing)
		}
	}
}

func TestStructs(t *testing.T) {
	frame := func(pairs ...any) []byte {
		var b bytes.Buffer
		e := msgpack.NewEncoder(&b)
		require.NoError(t, e.EncodeMapLen(len(pairs)/2))
		for _, p := range pairs {
			require.NoError(t, e.Encode(p))
		}
		return b.Bytes()
	}
	type both struct {
		A int `msgpack:"a" json:"x"`
		B int `json:"b,omitempty"`
		C int
		D int `msgpack:"d,alias:dd"`
	}
	require.Equal(t, both{1, 2, 3, 4}, into[both](frame("C", 3, "b", 2, "a", 1, "dd", 4, "x", 9, "unknown", []int{1}, "B", 9)))
	require.Equal(t, both{A: 2}, into[both](frame("a", 1, "a", 2)), "the last one counts")
	require.Equal(t, "the key 5 is no field of decode_test.both: a string is needed", into[both](frame(5, 1)))
	require.Equal(t, embedding{inner: inner{A: 1}, Outer: &Outer{D: 2}}, into[embedding](frame("a", 1, "d", 2)))
	require.Equal(t, embedding{Outer: &Outer{D: 2}}, into[embedding](frame("outer", map[string]int{"d": 2})))
	require.Equal(t, row{X: 1, Y: 2, Z: "z"}, into[row](encode(t, []any{1, 2, "z"})))
	require.Equal(t, "an array of 2 does not fit the 3 fields of decode_test.row", into[row](encode(t, []any{1, 2})))
	require.Equal(t, inner{}, into[inner]([]byte{0xc0}))

	type quoted struct {
		N *int8  `json:"n,string"`
		B bool   `json:"b,string"`
		S string `json:"s,string"`
		M int    `msgpack:"m,string"`
	}
	v := quoted{N: ptr(int8(5)), B: true, S: "7"}
	require.Equal(t, v, into[quoted](frame("n", "5", "b", "true", "s", "7")), "as JSON has them")
	require.Equal(t, v, into[quoted](encode(t, v)), "as the encoder writes them")
	require.Equal(t, "n: 300 does not fit int8", into[quoted](frame("n", "300")))
	require.Equal(t, `n: the string "five" does not fit *int8`, into[quoted](frame("n", "five")))
	require.Equal(t, `m: the string "5" does not fit int`, into[quoted](frame("m", "5")), "no option of msgpack's")

	require.Equal(t, `Deep[1][0].x[2]: the string "y" does not fit int`,
		into[everything](frame("Deep", []any{[]any{}, []any{map[string]any{"x": []any{1, 2, "y"}}}})))
	require.Equal(t, `Structs[7].a: the string "y" does not fit int`, into[everything](frame("Structs", map[int]any{7: map[string]any{"a": "y"}})))
	long := strings.Repeat("k", 5000)
	deep := any("x")
	for range 500 {
		deep = map[string]any{long: deep}
	}
	type nested map[string]nested
	require.Less(t, len(into[nested](encode(t, deep)).(string)), 6000)

	type hidden struct{ *inner }
	require.Contains(t, into[hidden](frame("a", 1)), "not exported")
	require.Equal(t, hidden{}, into[hidden](encode(t, hidden{})), "what is not there need not be made")
	require.Equal(t, struct{ *Outer }{}, into[struct{ *Outer }](encode(t, struct{ *Outer }{})))
	type Loop struct {
		*Loop
		A int
	}
	require.Equal(t, Loop{A: 3}, into[Loop](frame("A", 3)))
	type pointer *pointer
	require.Equal(t, wire.ErrTooDeep.Error(), into[pointer]([]byte{1}))
}

type (
	count  int
	coded  struct{ A int }
	notice struct {
		A int
		coded
	}
)

func (c *coded) UnmarshalText(b []byte) error { return nil }

// A frame may have a key for an embedded type that is not exported, which nobody can set as a
// whole.
func TestEmbeddedTypesThatAreNotExported(t *testing.T) {
	type row struct {
		A int `msgpack:"a"`
		inner
	}
	decoders := []func(b []byte) any{
		into[struct{ inner }], into[struct{ *inner }], into[row], into[struct{ count }], into[struct{ *count }], into[struct{ coded }], into[notice],
		into[struct {
			inner `msgpack:",noinline"`
		}], into[struct {
			error
			count
		}],
	}
	for _, key := range []string{"inner", "count", "coded", "error"} {
		for _, v := range []any{nil, 5, "x", []byte("x"), []any{}, []any{1, "x"}, map[string]any{}, map[string]any{"a": 7}, msgpack.RawMessage("\xd4\x05a")} {
			for _, f := range decoders {
				require.NotPanics(t, func() { f(encode(t, map[string]any{key: v})) }, "%s: %v", key, v)
			}
		}
	}
	require.Equal(t, row{1, inner{2, "b"}}, into[row](encode(t, row{1, inner{2, "b"}})))
	require.Equal(t, struct{ count }{}, into[struct{ count }](encode(t, map[string]any{"count": nil})))
	require.Equal(t, "count: the embedded decode_test.count is not exported: 4 cannot be put there",
		into[struct{ count }](encode(t, struct{ count }{4})))
	require.Equal(t, "inner: the embedded decode_test.inner is not exported: an array of 0 cannot be put there",
		into[row](encode(t, map[string]any{"inner": []int{}})))
}

func TestAny(t *testing.T) {
	at := time.Unix(1_700_000_000, 5)
	require.Equal(t, map[string]any{"a": []any{int64(1), -1.5, "x", []byte{7}, nil, true}, "at": at},
		into[any](encode(t, map[string]any{"a": []any{1, -1.5, "x", []byte{7}, nil, true}, "at": at})))
	require.Equal(t, map[any]any{int64(1): "a", "x": int64(2), nil: false, 2.5: map[string]any{}},
		into[any]([]byte("\x84\x01\xa1a\xa1x\x02\xc0\xc2\xcb\x40\x04\x00\x00\x00\x00\x00\x00\x80")), "keys that are no strings")
	require.Equal(t, map[any]any{int64(1): int64(2), "b": int64(3)}, into[map[any]any]([]byte("\x82\x01\x02\xa1b\x03")))
	require.Equal(t, map[string]any{"b": int64(3)}, into[any]([]byte("\x81\xc4\x01b\x03")), "a bin as a key")
	require.Equal(t, map[string]any{"a": int64(2)}, into[any]([]byte("\x82\xa1a\x01\xa1a\x02")), "the last one counts")
	require.Equal(t, "key: 1 does not fit string", into[map[string]any]([]byte("\x81\x01\x02")))
	require.Equal(t, "an array of 1 cannot be a key of map[interface {}]interface {}", into[any]([]byte("\x81\x91\x01\x02")))
	require.Contains(t, into[map[any]any]([]byte("\x81\x91\x01\x02")), "an array of 1 cannot be a key")
	require.Equal(t, []any{msgpack.RawMessage("\xd4\x05x"), int64(1)}, into[any]([]byte("\x92\xd4\x05x\x01")), "an ext that nobody knows")
	require.Equal(t, msgpack.RawMessage("\xd7\xff\xff\xff\xff\xff\xff\xff\xff\xff"), into[any]([]byte("\xd7\xff\xff\xff\xff\xff\xff\xff\xff\xff")), "no time")

	var v any = "before"
	require.NoError(t, decode.Into([]byte{7}, &v), "what was there is replaced")
	require.Equal(t, int64(7), v)
	var q inner
	v = &q
	require.NoError(t, decode.Into(encode(t, inner{A: 3}), &v))
	require.Equal(t, inner{A: 3}, q, "a pointer in an any is decoded into")
}

func TestTypesThatTextFits(t *testing.T) {
	addr := netip.MustParseAddr("10.0.0.1")
	require.Equal(t, addr, into[netip.Addr](encode(t, "10.0.0.1")), "text as JSON has it")
	require.Equal(t, addr, into[netip.Addr](encode(t, addr)), "as the encoder writes it")
	require.Equal(t, map[netip.Addr]int{addr: 1}, into[map[netip.Addr]int](encode(t, map[string]int{"10.0.0.1": 1})))
	require.Contains(t, into[netip.Addr](encode(t, "10.0.0")), "netip.Addr: ParseAddr")
	require.Equal(t, "7 does not fit netip.Addr", into[netip.Addr]([]byte{7}))
	require.Equal(t, bigInt("123456789012345678901234567890"), into[big.Int](encode(t, new(big.Int).Set(ptr(bigInt("123456789012345678901234567890"))))))
	require.Equal(t, "-7/3", ptr(into[big.Rat](encode(t, big.NewRat(-7, 3))).(big.Rat)).String())
	require.Equal(t, "0.3333333333333333333333333333", ptr(into[big.Float](number("0.3333333333333333333333333333")).(big.Float)).Text('g', 28))

	at := time.Unix(1_700_000_000, 5)
	require.True(t, at.Equal(into[time.Time](encode(t, at)).(time.Time)))
	require.True(t, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Equal(into[time.Time](encode(t, "2026-01-02T03:04:05Z")).(time.Time)), "as JSON has it")
	require.Equal(t, time.Time{}, into[time.Time](encode(t, time.Time{})))
	require.Equal(t, `the string "today" does not fit time.Time`, into[time.Time](encode(t, "today")))
	require.Equal(t, "7 does not fit time.Time", into[time.Time]([]byte{7}))
}

func ptr[T any](v T) *T { return &v }

type (
	custom struct{ a, b int }
	raw    struct{ b []byte }
	money  struct{ cents int64 }
)

func (c custom) EncodeMsgpack(e *msgpack.Encoder) error  { return e.EncodeMulti(c.a, c.b) }
func (c *custom) DecodeMsgpack(d *msgpack.Decoder) error { return d.DecodeMulti(&c.a, &c.b) }
func (r raw) MarshalMsgpack() ([]byte, error)            { return r.b, nil }
func (r *raw) UnmarshalMsgpack(b []byte) error           { r.b = b; return nil }

// linked reads maps in maps.
type (
	link   map[string]link
	linked struct{ link }
)

func (l *linked) DecodeMsgpack(d *msgpack.Decoder) error { return d.Decode(&l.link) }

// mapped reads a map, by way of the msgpack package, which takes one in an ext as well.
type mapped struct{ m map[string]any }

func (m *mapped) DecodeMsgpack(d *msgpack.Decoder) error { return d.Decode(&m.m) }

// packed has msgpack in an ext of its own, or bytes.
type packed struct {
	v any
	b []byte
}

func (p *packed) DecodeMsgpack(d *msgpack.Decoder) error {
	typ, n, err := d.DecodeExtHeader()
	if err == nil && typ == 6 {
		p.b = make([]byte, n)
		return d.ReadFull(p.b)
	}
	if err == nil {
		p.v, err = d.DecodeInterface()
	}
	return err
}

// What is in an ext may be anything, but if it is read as msgpack it is bounded as the frame is.
func TestMsgpackInAnExt(t *testing.T) {
	in := func(typ int8, payload string) []byte {
		return append(wire.AppendExtHead(nil, typ, len(payload)), payload...)
	}
	deep, wide := strings.Repeat("\x91", 4<<20)+"\xc0", "\x81\xa1a\xdf\x00\x0f\x42\x40"
	require.Equal(t, mapped{map[string]any{"a": int8(1)}}, into[mapped](in(5, "\x81\xa1a\x01")))
	require.Equal(t, wire.ErrTooDeep.Error(), into[mapped](in(5, "\x81\xa1a"+deep)))
	require.Equal(t, io.ErrUnexpectedEOF.Error(), into[mapped](in(5, wide)))
	require.Equal(t, io.ErrUnexpectedEOF.Error(), into[[]mapped](append([]byte("\x92\x80"), in(5, wide)...)).(string)[5:])
	require.Equal(t, io.ErrUnexpectedEOF.Error(), into[mapped](append([]byte("\xd4\x80\xdf\xcd"), 0x0f, 0x42)), "an index that reaches beyond its ext")
	require.Equal(t, io.ErrUnexpectedEOF.Error(), into[mapped](in(-128, wide)), "no index is that long")
	require.Equal(t, io.ErrUnexpectedEOF.Error(), into[[]mapped](append([]byte("\x94\xd6\x80\x81\xa0\xdf\x00"), 0x0f, 0x42, 0x40)).(string)[5:])
	within := func(exts int) []byte {
		links := in(5, "\x80")
		for range exts - 1 {
			links = in(5, "\x81\xa1a"+string(links))
		}
		return links
	}
	require.IsType(t, linked{}, into[linked](within(10)))
	require.Equal(t, wire.ErrTooDeep.Error(), into[linked](within(11)))
	require.IsType(t, []linked{}, into[[]linked](append([]byte("\x92"), append(within(10), within(10)...)...)))
	require.Equal(t, packed{v: map[string]any{}}, into[packed](in(5, "\x80")))
	require.Equal(t, wire.ErrTooDeep.Error(), into[packed](in(5, deep)))
	require.Equal(t, io.ErrUnexpectedEOF.Error(), into[packed](in(5, string(in(7, "x"))[:2])))
	require.Equal(t, packed{b: []byte(wide)}, into[packed](in(6, wide)), "bytes are anything")
	require.Equal(t, msgpack.RawMessage(in(5, wide)), into[msgpack.RawMessage](in(5, wide)))
	type nested map[string]mapped
	require.Contains(t, into[nested](append([]byte("\x81\xa1a"), in(5, "\x81\xa1b"+string(in(5, wide)))...)), "unknown ext id=5")
}

// Types are learned by many goroutines at once, also those that contain each other.
func TestManyLearnATypeAtOnce(t *testing.T) {
	type leaf struct {
		A *tree
		B map[string][]*embedding
	}
	type other struct {
		L []leaf
		E everything
	}
	frame := encode(t, other{L: []leaf{{A: &tree{Name: "x"}}}})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			var v other
			if err := decode.Into(frame, &v); err != nil || v.L[0].A.Name != "x" {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// Types that decode themselves do, wherever they are, also if they take more than one value; but
// what they get is checked before.
func TestTypesThatDecodeThemselves(t *testing.T) {
	type holder struct {
		Before int
		C      custom
		P      *custom
		List   []custom
		R      raw
		Raw    msgpack.RawMessage
		After  string
	}
	v := holder{1, custom{2, 3}, &custom{4, 5}, []custom{{6, 7}, {8, 9}}, raw{[]byte{0x91, 1}}, msgpack.RawMessage{0xc3}, "end"}
	require.Equal(t, v, into[holder](encode(t, v)))
	require.Equal(t, custom{1, 2}, into[custom]([]byte{1, 2}))
	require.Equal(t, "unexpected data after the value: 1 bytes", into[custom]([]byte{1, 2, 3}))
	require.Equal(t, custom{}, into[custom]([]byte{0xc0}))
	require.Equal(t, io.ErrUnexpectedEOF.Error(), into[custom]([]byte{1, 0xdd, 0xff, 0xff, 0xff, 0xff}))
	require.Equal(t, wire.ErrTooDeep.Error(), into[custom]([]byte(strings.Repeat("\x91", 4<<20)+"\xc0")))
	require.Equal(t, wire.ErrTooDeep.Error(), into[msgpack.RawMessage]([]byte(strings.Repeat("\x91", 4<<20)+"\xc0")))
	require.Equal(t, wire.ErrTooDeep.Error(), into[raw]([]byte(strings.Repeat("\x91", 4<<20)+"\xc0")))

	msgpack.RegisterExtEncoder(9, money{}, func(_ *msgpack.Encoder, v reflect.Value) ([]byte, error) {
		return []byte{byte(v.Interface().(money).cents)}, nil
	})
	msgpack.RegisterExtDecoder(9, money{}, func(d *msgpack.Decoder, v reflect.Value, _ int) error {
		c, err := d.DecodeUint8()
		v.Set(reflect.ValueOf(money{int64(c)}))
		return err
	})
	defer msgpack.UnregisterExt(9)
	frame := encode(t, []money{{5}, {6}})
	require.Equal(t, []money{{5}, {6}}, into[[]money](frame), "an ext that is registered")
	require.Equal(t, []any{money{5}, money{6}}, into[any](frame))
}

func TestWhatCannotBeDecodedInto(t *testing.T) {
	require.EqualError(t, decode.Into([]byte{1}, 5), "decode into int: a pointer is needed")
	require.EqualError(t, decode.Into([]byte{1}, nil), "decode into <nil>: a pointer is needed")
	require.EqualError(t, decode.Into([]byte{1}, (*int)(nil)), "decode into a nil *int")
	require.Equal(t, "chan int cannot be decoded into", into[chan int]([]byte{1}))
	require.Equal(t, "[0]: func() cannot be decoded into", into[[]func()]([]byte{0x91, 1}))
	require.Equal(t, "1 does not fit io.Reader", into[io.Reader]([]byte{1}))
	require.Equal(t, wire.ErrInvalidByte.Error(), into[any]([]byte{0xc1}))
	require.Equal(t, io.ErrUnexpectedEOF.Error(), into[any](nil))
}

// What was there before is not mixed into what is decoded, except in maps, which are added to.
func TestDecodingOverWhatWasThere(t *testing.T) {
	list := []inner{{A: 1, B: "old"}, {A: 2, B: "old"}, {A: 3, B: "old"}}
	require.NoError(t, decode.Into(encode(t, []map[string]any{{"a": 7}}), &list))
	require.Equal(t, []inner{{A: 7}}, list)
	array := [2]inner{{A: 1, B: "old"}, {A: 2, B: "old"}}
	require.NoError(t, decode.Into(encode(t, []map[string]any{{"a": 7}}), &array))
	require.Equal(t, [2]inner{{A: 7}}, array)
	m := map[string]int{"x": 1}
	require.NoError(t, decode.Into(encode(t, map[string]int{"y": 2}), &m))
	require.Equal(t, map[string]int{"x": 1, "y": 2}, m)
	b := []byte("old")
	kept := b
	require.NoError(t, decode.Into(encode(t, []byte{1}), &b))
	require.Equal(t, []byte{1}, b)
	require.Equal(t, "old", string(kept), "bytes are not written over")
}

var targets = map[string]func() any{
	"any":        func() any { return new(any) },
	"map":        func() any { return new(map[string]any) },
	"map of any": func() any { return new(map[any]any) },
	"strings":    func() any { return new(map[string]string) },
	"slice":      func() any { return new([]any) },
	"structs":    func() any { return new([]inner) },
	"tree":       func() any { return new(tree) },
	"everything": func() any { return new(everything) },
	"embedding":  func() any { return new(embedding) },
	"custom":     func() any { return new(custom) },
	"mapped":     func() any { return new(mapped) },
	"packed":     func() any { return new([]packed) },
	"nested":     func() any { return new(struct{ List []custom }) },
	"raw":        func() any { return new(msgpack.RawMessage) },
	"big":        func() any { return new([]big.Rat) },
	"number":     func() any { return new(map[string]json.Number) },
	"time":       func() any { return new([]time.Time) },
	"interned": func() any {
		return new(struct {
			A string `msgpack:",intern"`
			B any    `msgpack:",intern"`
		})
	},
}

func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// No frame makes its reader recurse without end, or allocate for what it only announces.
func TestHostileFrames(t *testing.T) {
	nest := func(unit string, n int) []byte { return []byte(strings.Repeat(unit, n) + "\xc0") }
	frames := map[string][]byte{
		"4 MB of arrays":        nest("\x91", 4<<20),
		"4 MB of maps":          nest("\x81\xa0", 2<<20),
		"4 MB of maps as keys":  nest("\x81", 4<<20),
		"a million pairs, 7 ×":  nest("\x81\xa1a\xdf\x00\x0f\x42\x40", 7),
		"a million pairs, 75 ×": nest("\xdf\x00\x0f\x42\x40\xa1a", 75),
		"a million, 75 ×":       nest("\xdd\x00\x0f\x42\x40", 75),
		"4 Gi, 75 ×":            nest("\xdd\xff\xff\xff\xff", 75),
		"all that is left, 1000 ×": []byte(strings.Repeat("\xdd\x00\x01\x00\x00", 900) +
			strings.Repeat("\xc0", 1<<16)),
		"a field of a million":   []byte("\x81\xa8children\xdd\x00\x0f\x42\x40\xc0"),
		"4 GiB of string":        []byte("\x81\xa4name\xdb\xff\xff\xff\xff"),
		"4 GiB of bin":           []byte("\x91\xc6\xff\xff\xff\xff"),
		"4 GiB of ext":           []byte("\x91\xc9\xff\xff\xff\xff\x05"),
		"4 GiB of number":        []byte("\x91\xc9\xff\xff\xff\xffN1"),
		"4 GiB of time":          []byte("\x91\xc9\xff\xff\xff\xff\xff"),
		"numbers of many digits": append([]byte("\xdd\x00\x02\x00\x00"), bytes.Repeat(number("-1e-400"), 1<<17)...),
		"numbers of a gigabyte":  append([]byte("\x92"), append(number("1e999999999"), number("-1e-999999999")...)...),
		"maps in an ext":         append([]byte("\xc9\x00\x00\x27\x0d\x05"), nest("\xdf\x00\x0f\x42\x40\xa1a", 1428)...),
		"arrays in an ext":       append([]byte("\xc9\x00\x40\x00\x00\x05\x81\xa0"), nest("\x91", 4<<20-3)...),
		"an interned nothing":    []byte("\x82\xa1A\xd4\x80\x00\xa1B\xd6\x80\xff\xff\xff\xff"),
	}
	for name, frame := range frames {
		for target, make := range targets {
			t.Run(name+" into "+target, func(t *testing.T) {
				v := make()
				before := allocated()
				err := decode.Into(frame, v)
				limit := uint64(10<<20 + 4*len(frame))
				if strings.Contains(name, "many digits") { // what they are is in the frame, and not only announced
					limit = uint64(256 * len(frame))
				}
				require.Less(t, allocated()-before, limit)
				if _, malformed := wire.Check(frame); malformed != nil {
					require.Error(t, err)
				}
			})
		}
	}
}

// FuzzDecode: any bytes are decoded into any of these or are an error, in memory proportional to
// their number; what is decoded is well-formed, and any bytes that are can be skipped and looked
// at.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		"\x82\xa1a\x01\xa1b\x92\xc0\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", "\xd6\xff\x00\x00\x00\x01", "\xd6N1.10", "\x81\x01\x02",
		"\x81\xa8children\x91\x81\xa4name\xa1x", "\xdd\xff\xff\xff\xff\xc0", "\xdb\xff\xff\xff\xff", "\xc1", "\x01\x02", "\x91\x91\x91\x90",
		"\x82\xa1A\xa3abc\xa1B\xd4\x80\x00", "\x81\xa4List\x91\x01\x02", "\xd4\x05x", "\x93\x01\xa1a\xa1b",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		_, malformed := wire.Check(frame)
		for name, make := range targets {
			v := make()
			before := allocated()
			err := decode.Into(frame, v)
			// A map of one pair takes some 350 bytes and three of the frame; an error has its text.
			require.LessOrEqual(t, allocated()-before, uint64(1<<20+256*len(frame)), name)
			if err == nil && name != "custom" && name != "nested" && name != "mapped" && name != "packed" {
				require.NoError(t, malformed, name)
			}
			if name == "raw" && malformed == nil && frame[0] != 0xc0 {
				require.NoError(t, err)
				require.Equal(t, frame, []byte(*v.(*msgpack.RawMessage)))
			}
		}
	})
}
