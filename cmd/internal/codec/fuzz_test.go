package codec_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"shmbus/cmd/internal/codec"
)

// FuzzJSON: with exact numbers a JSON line comes back as its compact form, from a
// frame that is valid, and once normalised it comes back as it is, from the same
// frame. With the nearest numbers it differs from that in numbers alone, each of
// which is the float64 that encoding/json reads.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`null`, `{"a":[1,-0,-0.0,1.0,1e5,1.10],"b":{"c":"é\n\u0000\ud83c\udf89"}}`, ` [ 1 , 2 ] `,
		`{"$bytes":"aGk="}`, `{"$time":"2026-01-02T03:04:05.678Z"}`, `{"$ext":[78,"MQ=="]}`, `{"$ext":[-1,"AAA="]}`,
		`{"$str":"/w=="}`, `{"$float":"NaN"}`, `{"a":1,"a":2}`, `[[[[[[]]]]]]`, `18446744073709551616`,
		`[0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,{"a":[0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5]}]`, `"\ud800"`, "\"\xff\"", `[1,]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		kept := bytes.Clone(line)
		frame, err := exact.AppendFrame([]byte("dst"), line)
		require.Equal(t, kept, line)
		if err != nil {
			require.Equal(t, "dst", string(frame))
			if json.Valid(line) && utf8.Valid(line) && !bytes.Contains(line, []byte(`\u`)) {
				require.ErrorIs(t, err, codec.ErrTooDeep)
			}
			return
		}
		require.True(t, json.Valid(line))
		frame = frame[len("dst"):]
		require.NoError(t, codec.Valid(frame))
		once := toJSON(t, frame)
		if !bytes.ContainsRune(line, '\\') {
			var compact bytes.Buffer
			require.NoError(t, json.Compact(&compact, line))
			require.Equal(t, compact.String(), once)
		}
		again := toFrame(t, once)
		require.Equal(t, frame, again)
		nearest(t, line, once)
		require.Equal(t, once, toJSON(t, again))
	})
}

// FuzzFrame: any bytes have a line or an error, of bounded length, in every
// format alike; JSON made of them is valid and stable.
func FuzzFrame(f *testing.F) {
	for _, s := range []string{
		"\x82\xa1a\x01\xa1b\x92\xc0\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", "\xd6\xff\x00\x00\x00\x01", "\xd6N1.10",
		"\xd7\xff\xee\x6b\x28\x00\x00\x00\x00\x00", "\xc7\x0c\xff\x00\x00\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff",
		"\x81\x81\x81\x01\x02\x03\x04", "\x81\xc4\x02hi\xa1\xff", "\xdd\xff\xff\xff\xff\xc0", "\xdb\xff\xff\xff\xff", "\xc1",
		"\xca\x7f\x7f\xff\xff", "\xd3\xff\xff\xff\xff\xff\xff\xff\xff", "\xa5\"\\\n\x00\x7f", "\x91\x91\x91\x91\x90", "\x01\x01",
		"\x81\xa6$bytes\xa4aGk=",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		kept := bytes.Clone(frame)
		valid := codec.Valid(frame)
		for _, format := range []codec.Format{codec.JSON, codec.Text, codec.Raw, codec.Msgpack} {
			line, err := format.AppendLine([]byte("dst"), frame)
			require.Equal(t, kept, frame)
			require.Equal(t, valid, err, "%v", format)
			require.LessOrEqual(t, len(line)-len("dst"), 16*len(frame))
			require.Equal(t, "dst", string(line[:len("dst")]))
		}
		if valid != nil {
			return
		}
		once := toJSON(t, frame)
		require.True(t, json.Valid([]byte(once)), once)
		require.NotContains(t, once, "\n")
		require.Equal(t, once, toJSON(t, toFrame(t, once)))
	})
}

// nearest checks what becomes of a line, which comes out as exact, with the nearest numbers.
func nearest(t *testing.T, line []byte, exact string) {
	rounded := 0
	e := codec.Encoder{Rounded: func([]byte, float64) { rounded++ }}
	frame, err := e.AppendFrame(nil, line)
	if err != nil {
		number, ok := errors.AsType[*codec.NumberError](err)
		require.True(t, ok, "%v", err)
		require.True(t, number.Huge)
		return
	}
	require.NoError(t, codec.Valid(frame))
	out := toJSON(t, frame)
	require.Equal(t, frame, toFrame(t, out), "no number comes out as it would not go in")
	var want, got any
	require.NoError(t, json.Unmarshal([]byte(exact), &want))
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.Equal(t, want, got)

	refusing := codec.Encoder{Numbers: codec.Refuse}
	_, err = refusing.AppendFrame(nil, line)
	require.Equal(t, rounded > 0, err != nil)
}
