package codec_test

import (
	"bytes"
	"flag"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/cmd/internal/codec"
)

func TestParseFormat(t *testing.T) {
	for _, name := range codec.Names() {
		f, err := codec.ParseFormat(name)
		require.NoError(t, err)
		require.Equal(t, name, f.String())
	}
	_, err := codec.ParseFormat("xml")
	require.EqualError(t, err, `unknown format "xml": use one of json, text, raw, msgpack`)
	require.Equal(t, "Format(9)", codec.Format(9).String())
}

func TestFormatFlag(t *testing.T) {
	var f codec.Format
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Var(&f, "format", "")
	require.NoError(t, fs.Parse([]string{"-format", "raw"}))
	require.Equal(t, codec.Raw, f)
	require.Error(t, fs.Parse([]string{"-format", "yaml"}))
	require.Equal(t, codec.Raw, f, "a wrong name leaves the flag alone")
	require.Equal(t, "format", f.Type())
}

func TestBlank(t *testing.T) {
	for _, line := range []string{"", " ", "\r", "\t \r"} {
		require.True(t, codec.JSON.Blank([]byte(line)), "%q", line)
		require.False(t, codec.Text.Blank([]byte(line)), "%q", line)
	}
	require.False(t, codec.JSON.Blank([]byte(" 0")))
}

func TestTextRawMsgpack(t *testing.T) {
	long := strings.Repeat("x", 300)
	tests := []struct {
		name            string
		format          codec.Format
		line            string
		frame, printed  string
		asText, asBytes string
	}{
		{"text", codec.Text, "hi", "\xa2hi", "hi\n", "hi\n", "hi\n"},
		{"text empty", codec.Text, "", "\xa0", "\n", "\n", "\n"},
		{"text not utf-8", codec.Text, "\xff\x00", "\xa2\xff\x00", "\xff\x00\n", "\xff\x00\n", "\xff\x00\n"},
		{"text long", codec.Text, long, "\xda\x01\x2c" + long, long + "\n", long + "\n", long + "\n"},
		{"text keeps CR", codec.Text, "hi\r", "\xa3hi\r", "hi\r\n", "hi\r\n", "hi\r\n"},
		{"raw", codec.Raw, "hi", "\xc4\x02hi", "hi\n", "{\"$bytes\":\"aGk=\"}\n", "hi\n"},
		{"raw empty", codec.Raw, "", "\xc4\x00", "\n", "{\"$bytes\":\"\"}\n", "\n"},
		{"raw long", codec.Raw, long, "\xc5\x01\x2c" + long, long + "\n", "", long + "\n"},
		{"msgpack", codec.Msgpack, "\x92\x01\xa1a", "\x92\x01\xa1a", "\x92\x01\xa1a", "[1,\"a\"]\n", "[1,\"a\"]\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			frame, err := tt.format.AppendFrame([]byte("before"), []byte(tt.line))
			require.NoError(t, err)
			require.Equal(t, "before"+tt.frame, string(frame))
			frame = frame[len("before"):]
			require.NoError(t, codec.Valid(frame))
			for f, want := range map[codec.Format]string{tt.format: tt.printed, codec.Text: tt.asText, codec.Raw: tt.asBytes} {
				if want == "" {
					continue
				}
				line, err := f.AppendLine([]byte("before"), frame)
				require.NoError(t, err)
				require.Equal(t, "before"+want, string(line), "printed as %v", f)
			}
		})
	}
}

func TestErrorsLeaveDst(t *testing.T) {
	dst := []byte("before")
	for f, line := range map[codec.Format]string{codec.JSON: `[1,2,x]`, codec.Msgpack: "\x92\x01"} {
		out, err := f.AppendFrame(dst, []byte(line))
		require.Error(t, err)
		require.Equal(t, dst, out)
	}
	for _, f := range []codec.Format{codec.JSON, codec.Text, codec.Raw, codec.Msgpack} {
		out, err := f.AppendLine(dst, []byte("\x92\x01"))
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Equal(t, dst, out)
	}
}

func TestNoAllocations(t *testing.T) {
	if raceEnabled() {
		t.Skip("under the race detector a sync.Pool drops things at random")
	}
	dst := make([]byte, 0, 1<<20)
	check := func(name string, f func()) {
		if n := testing.AllocsPerRun(100, f); n >= 1 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	for _, s := range append(samples, struct{ name, json string }{"special",
		`[{"$bytes":"aGk="},{"$ext":[7,"aGk="]},{"$str":"/w=="},{"$float":"NaN"},{"$time":"2026-01-02T03:04:05.678Z"}]`}) {
		line := []byte(s.json)
		frame, err := codec.JSON.AppendFrame(nil, line)
		require.NoError(t, err)
		check("AppendFrame/"+s.name, func() { _, _ = codec.JSON.AppendFrame(dst, line) })
		check("exact AppendFrame/"+s.name, func() { _, _ = exact.AppendFrame(dst, line) })
		check("AppendLine/"+s.name, func() { _, _ = codec.JSON.AppendLine(dst, frame) })
		check("Valid/"+s.name, func() { _ = codec.Valid(frame) })
	}
	stream := bytes.NewReader(bytes.Repeat([]byte("a line of text\n"), 10_000))
	r := codec.NewReader(stream, codec.Text, 0)
	check("Reader", func() { _, _ = r.Next() })
}

// raceEnabled reports whether the test binary was built with -race.
func raceEnabled() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func TestUnknownFormatPanics(t *testing.T) {
	require.Panics(t, func() { _, _ = codec.Format(9).AppendFrame(nil, nil) })
	require.Panics(t, func() { _, _ = codec.Format(9).AppendLine(nil, nil) })
}
