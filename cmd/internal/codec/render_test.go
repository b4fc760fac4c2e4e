package codec_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/cmd/internal/codec"
)

func TestFrameToJSON(t *testing.T) {
	tests := []struct{ name, frame, json string }{
		{"wide int", "\xd3\x00\x00\x00\x00\x00\x00\x00\x01", `1`},
		{"wide str", "\xdb\x00\x00\x00\x01a", `"a"`},
		{"wide map", "\xdf\x00\x00\x00\x01\xa1a\xc0", `{"a":null}`},
		{"float32", "\xca\x3d\xcc\xcc\xcd", `0.1`},
		{"float32 integer", "\xca\x3f\x80\x00\x00", `1.0`},
		{"float32 largest", "\xca\x7f\x7f\xff\xff", `3.4028235e+38`},
		{"float32 smallest", "\xca\x00\x00\x00\x01", `1e-45`},
		{"float32 1e-6", "\xca\x35\x86\x37\xbd", `0.000001`},
		{"float32 NaN", "\xca\x7f\xc0\x00\x00", `{"$float":"NaN"}`},
		{"float64 NaN with payload", "\xcb\xff\xf8\x00\x00\x00\x00\x00\x07", `{"$float":"NaN"}`},
		{"float64 infinity", "\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", `{"$float":"Infinity"}`},
		{"float32 -infinity", "\xca\xff\x80\x00\x00", `{"$float":"-Infinity"}`},
		{"bin", "\xc4\x02hi", `{"$bytes":"aGk="}`},
		{"str not UTF-8", "\xa2a\xff", `{"$str":"Yf8="}`},
		{"escaped str not UTF-8", "\xa2\"\xff", `{"$str":"Iv8="}`},
		{"int keys", "\x82\x01\xc0\xff\xc0", `{"1":null,"-1":null}`},
		{"same key", "\x82\x01\xc0\xa11\xc3", `{"1":null,"1":true}`},
		{"other keys", "\x84\xc0\x01\xc3\x02\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\x03\xa1\"\x04", `{"null":1,"true":2,"1.5":3,"\"":4}`},
		{"bin key", "\x81\xc4\x02hi\x01", `{"{\"$bytes\":\"aGk=\"}":1}`},
		{"bad str key", "\x81\xa1\xff\x01", `{"{\"$str\":\"/w==\"}":1}`},
		{"array key", "\x81\x92\x01\x02\x03", `{"{\"$msgpack\":\"kgEC\"}":3}`},
		{"map key", "\x81\x80\x03", `{"{\"$msgpack\":\"gA==\"}":3}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.NoError(t, codec.Valid([]byte(tt.frame)))
			json := toJSON(t, []byte(tt.frame))
			require.Equal(t, tt.json, json)
			require.Equal(t, json, toJSON(t, toFrame(t, json)), "JSON is stable")
		})
	}
}

func TestHostileFrames(t *testing.T) {
	arrays := func(n int) string { return strings.Repeat("\x91", n-1) + "\x90" }
	tests := []struct {
		name, frame string
		offset      int
		err         error
	}{
		{"empty", "", 0, io.ErrUnexpectedEOF},
		{"never used byte", "\xc1", 0, codec.ErrInvalidByte},
		{"never used byte inside", "\x92\x01\xc1", 2, codec.ErrInvalidByte},
		{"never used byte in key", "\x81\x91\xc1\x01", 2, codec.ErrInvalidByte},
		{"trailing", "\x01\x02", 1, codec.ErrTrailing},
		{"trailing after str", "\xa1ab", 2, codec.ErrTrailing},
		{"trailing after bin", "\xc4\x01ab", 3, codec.ErrTrailing},
		{"no length", "\xda\x01", 2, io.ErrUnexpectedEOF},
		{"no ext type", "\xd4", 1, io.ErrUnexpectedEOF},
		{"str cut short", "\xa3ab", 3, io.ErrUnexpectedEOF},
		{"4 GiB str", "\xdb\xff\xff\xff\xff", 5, io.ErrUnexpectedEOF},
		{"4 GiB bin", "\xc6\xff\xff\xff\xffa", 6, io.ErrUnexpectedEOF},
		{"4 GiB ext", "\xc9\xff\xff\xff\xff\x01", 6, io.ErrUnexpectedEOF},
		{"4 Gi elements", "\xdd\xff\xff\xff\xff\xc0", 6, io.ErrUnexpectedEOF},
		{"4 Gi pairs", "\xdf\xff\xff\xff\xff\xc0", 6, io.ErrUnexpectedEOF},
		{"key without value", "\x81\xa1a", 3, io.ErrUnexpectedEOF},
		{"container key cut short", "\x81\x92\x01", 3, io.ErrUnexpectedEOF},
		{"too deep", arrays(codec.MaxDepth + 1), codec.MaxDepth, codec.ErrTooDeep},
		{"too deep in key", strings.Repeat("\x91", codec.MaxDepth-2) + "\x81" + arrays(2) + "\x01", codec.MaxDepth, codec.ErrTooDeep},
		{"bottomless", strings.Repeat("\x91", 1<<20), codec.MaxDepth, codec.ErrTooDeep},
		{"bottomless keys", strings.Repeat("\x81", 1<<20), codec.MaxDepth, codec.ErrTooDeep},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			check := func(err error) {
				t.Helper()
				se, ok := errors.AsType[*codec.SyntaxError](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, codec.Msgpack, se.Format)
				require.ErrorIs(t, err, tt.err)
				require.Equal(t, tt.offset, se.Offset)
			}
			check(codec.Valid([]byte(tt.frame)))
			for _, f := range []codec.Format{codec.JSON, codec.Text, codec.Raw, codec.Msgpack} {
				_, err := f.AppendLine(nil, []byte(tt.frame))
				check(err)
			}
		})
	}
	deepest := []byte(arrays(codec.MaxDepth))
	require.NoError(t, codec.Valid(deepest))
	require.Equal(t, deepest, toFrame(t, toJSON(t, deepest)))
}

// Maps as keys of maps as keys must not grow with each level.
func TestNestedKeysStaySmall(t *testing.T) {
	frame := []byte("\x01")
	for range codec.MaxDepth / 2 {
		frame = append(append([]byte{0x81}, frame...), 0xc0)
	}
	require.Less(t, len(toJSON(t, frame)), 16*len(frame))
}
