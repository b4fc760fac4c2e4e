package codec_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/cmd/internal/codec"
)

// toFrame and toJSON fail the test on an error; toFrame keeps the text of
// numbers, and toJSON returns the line without its newline.
func toFrame(t testing.TB, json string) []byte {
	t.Helper()
	frame, err := exact.AppendFrame(nil, []byte(json))
	require.NoError(t, err)
	require.NoError(t, codec.Valid(frame))
	return frame
}

var exact = codec.Encoder{Numbers: codec.Exact}

func toJSON(t testing.TB, frame []byte) string {
	t.Helper()
	line, err := codec.JSON.AppendLine(nil, frame)
	require.NoError(t, err)
	require.Equal(t, byte('\n'), line[len(line)-1])
	return string(line[:len(line)-1])
}

func TestJSONComesOutAsItWent(t *testing.T) {
	tests := []struct{ name, json string }{
		{"null", `null`},
		{"true", `true`},
		{"false", `false`},
		{"empty object", `{}`},
		{"empty array", `[]`},
		{"empty string", `""`},
		{"empty key", `{"":""}`},
		{"key order", `{"z":1,"a":2,"m":{"y":1,"b":2}}`},
		{"duplicate keys", `{"a":1,"a":2,"a":1}`},
		{"non-ASCII", `"naïve 日本語 🎉"`},
		{"non-ASCII key", `{"ключ":"значение"}`},
		{"escapes", `"\"\\\b\f\n\r\t\u0000\u001f"`},
		{"unescaped", "\"/<>&'\u2028\u2029\x7f\""},
		{"replacement character", "\"\ufffd\""},
		{"escape at the end", `"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"`},
		{"unescaped head is shorter", `"` + strings.Repeat("a", 28) + `\n\n"`},
		{"zero", `0`},
		{"minus one", `-1`},
		{"int64 minimum", `-9223372036854775808`},
		{"int64 maximum", `9223372036854775807`},
		{"uint64 maximum", `18446744073709551615`},
		{"beyond uint64", `18446744073709551616`},
		{"beyond int64", `-9223372036854775809`},
		{"20 digits", `99999999999999999999`},
		{"100 digits", strings.Repeat("1234567890", 10)},
		{"every width of int", `[127,128,255,256,65535,65536,4294967295,4294967296,-32,-33,-128,-129,-32768,-32769,-2147483648,-2147483649]`},
		{"0.1", `0.1`},
		{"1.5", `1.5`},
		{"1.0", `1.0`},
		{"1.0 and 1", `[1.0,1,-1.0,-1,0.0,0]`},
		{"-0", `-0`},
		{"-0.0", `-0.0`},
		{"1.10", `1.10`},
		{"1e5", `1e5`},
		{"1E5", `1E5`},
		{"1e+5", `1e+5`},
		{"1e300", `1e300`},
		{"1e+300", `1e+300`},
		{"1e21", `1e21`},
		{"1e400", `1e400`},
		{"-1e-400", `-1e-400`},
		{"1e-7", `1e-7`},
		{"1e-07", `1e-07`},
		{"0.000001", `0.000001`},
		{"0.0000001", `0.0000001`},
		{"0e0", `0e0`},
		{"0.00", `0.00`},
		{"pi", `3.14159265358979323846264338`},
		{"smallest float64", `5e-324`},
		{"largest float64", `1.7976931348623157e+308`},
		{"16 and 17 digits", `[0.30000000000000004,0.3000000000000000,0.3000000000000001,0.30000000000000001]`},
		{"digits float64 hasn't", `9007199254740993.0`},
		{"float of 21 digits", `123456789012345680000.0`},
		{"15 elements", `[0,1,2,3,4,5,6,7,8,9,0,1,2,3,4]`},
		{"16 elements", `[0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5]`},
		{"16 pairs", `{` + strings.Repeat(`"k":[],`, 15) + `"k":{}}`},
		{"wide in wide", `[` + strings.Repeat(`[`+strings.Repeat(`{"a":[`+strings.Repeat(`1,`, 20)+`2]},`, 17)+`3],`, 18) + `4]`},
		{"70000 elements", `[` + strings.Repeat(`1,`, 70000) + `{` + strings.Repeat(`"k":[],`, 66000) + `"k":0}]`},
		{"deep", strings.Repeat(`[`, codec.MaxDepth) + strings.Repeat(`]`, codec.MaxDepth)},
		{"deep objects", strings.Repeat(`{"a":`, codec.MaxDepth-1) + `{}` + strings.Repeat(`}`, codec.MaxDepth-1)},
		{"deep ext", strings.Repeat(`[`, codec.MaxDepth) + `{"$ext":[1,""]}` + strings.Repeat(`]`, codec.MaxDepth)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.json, toJSON(t, toFrame(t, tt.json)))
		})
	}
}

func TestExactNumbersAreCarriedAs(t *testing.T) {
	tests := []struct{ json, frame string }{
		{`0`, "\x00"},
		{`127`, "\x7f"},
		{`128`, "\xcc\x80"},
		{`-32`, "\xe0"},
		{`-33`, "\xd0\xdf"},
		{`-129`, "\xd1\xff\x7f"},
		{`65536`, "\xce\x00\x01\x00\x00"},
		{`18446744073709551615`, "\xcf\xff\xff\xff\xff\xff\xff\xff\xff"},
		{`-9223372036854775808`, "\xd3\x80\x00\x00\x00\x00\x00\x00\x00"},
		{`1.0`, "\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00"},
		{`-0.0`, "\xcb\x80\x00\x00\x00\x00\x00\x00\x00"},
		{`-0`, "\xd5N-0"},
		{`1.10`, "\xd6N1.10"},
		{`1e5`, "\xc7\x03N1e5"},
		{`123456789012345680000.0`, "\xcb\x44\x1a\xc5\x3a\x7e\x04\xbc\xda"},
		{`123456789012345680000`, "\xc7\x15N123456789012345680000"},
	}
	for _, tt := range tests {
		t.Run(tt.json, func(t *testing.T) {
			require.Equal(t, tt.frame, string(toFrame(t, tt.json)))
		})
	}
}

func TestJSONIsNormalised(t *testing.T) {
	tests := []struct{ name, in, out string }{
		{"white space", " { \"a\" : [ 1 , 2.5 ,\"x\" ] ,\t\"b\":null }\r", `{"a":[1,2.5,"x"],"b":null}`},
		{"solidus", `"\/"`, `"/"`},
		{"needless escapes", `"\u0041\u00e9\u003c\u2028"`, "\"Aé<\u2028\""},
		{"surrogate pair", `"\ud83c\udf89"`, `"🎉"`},
		{"long forms", `"\u000a\u0022\u005C\u001F"`, `"\n\"\\\u001f"`},
		{"escaped key", `{"\u0061":1}`, `{"a":1}`},
		{"special in disguise", ` { "\u0024bytes" : "aGk\u003d" } `, `{"$bytes":"aGk="}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.out, toJSON(t, toFrame(t, tt.in)))
		})
	}
}

func TestJSONErrors(t *testing.T) {
	tests := []struct {
		name, in string
		offset   int
		message  string
	}{
		{"empty", ``, 0, `json: byte 0: ends before the value is whole`},
		{"blank", "  ", 2, `json: byte 2: ends before the value is whole`},
		{"cut short", `{"a":[1,`, 8, `json: byte 8: ends before the value is whole`},
		{"cut in a string", `"abc`, 4, `json: byte 4: ends before the value is whole`},
		{"no value", `{"a":x}`, 5, `json: byte 5: invalid character 'x' at start of value`},
		{"second value", `{} {}`, 3, `json: byte 3: unexpected data after the value`},
		{"garbage after number", `12x`, 2, ``},
		{"closing", `]`, 0, ``},
		{"mismatch", `[1}`, 2, ``},
		{"trailing comma", `[1,]`, 2, ``},
		{"key is no string", `{1:2}`, 1, ``},
		{"leading zero", `01`, 1, ``},
		{"bare minus", `-`, 1, `json: byte 1: the number ends where digits must follow`},
		{"bare point", `5.`, 2, `json: byte 2: the number ends where digits must follow`},
		{"bare exponent", `[1, 1e`, 6, `json: byte 6: the number ends where digits must follow`},
		{"cut in a string like a number", `["a", "5.`, 9, `json: byte 9: ends before the value is whole`},
		{"single quotes", `'a'`, 0, ``},
		{"NaN", `NaN`, 0, ``},
		{"raw newline in string", "\"a\nb\"", 2, ``},
		{"invalid UTF-8", "\"a\xff\"", 2, `json: byte 2: invalid UTF-8`},
		{"overlong UTF-8", "\"\xc0\x80\"", 1, ``},
		{"invalid UTF-8 outside", "\xff", 0, ``},
		{"lone surrogate", `"\ud800"`, 1, ``},
		{"byte order mark", "\ufeff1", 0, ``},
		{"too deep", strings.Repeat(`[`, codec.MaxDepth+1) + strings.Repeat(`]`, codec.MaxDepth+1), codec.MaxDepth + 1,
			`json: byte 1001: nested deeper than 1000 levels`},
		{"too deep by an ext's array", strings.Repeat(`[`, codec.MaxDepth+1) + `[1,""]` + strings.Repeat(`]`, codec.MaxDepth+1), codec.MaxDepth + 7, ``},
		{"bottomless", strings.Repeat(`[`, 1<<20), codec.MaxDepth + 2, `json: byte 1002: nested deeper than 1000 levels`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := codec.JSON.AppendFrame(nil, []byte(tt.in))
			se, ok := errors.AsType[*codec.SyntaxError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, codec.JSON, se.Format)
			require.Equal(t, tt.offset, se.Offset, "%v", err)
			if tt.message != "" {
				require.EqualError(t, err, tt.message)
			}
		})
	}
	_, err := codec.JSON.AppendFrame(nil, []byte(`[`))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = codec.JSON.AppendFrame(nil, []byte(`1 1`))
	require.ErrorIs(t, err, codec.ErrTrailing)
}
