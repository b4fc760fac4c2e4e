package codec_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"shmbus/cmd/internal/codec"
)

// sources delivers the same bytes in different ways.
var sources = []struct {
	name string
	wrap func(io.Reader) io.Reader
}{
	{"whole", func(r io.Reader) io.Reader { return r }},
	{"byte by byte", iotest.OneByteReader},
	{"halves", iotest.HalfReader},
	{"data with EOF", iotest.DataErrReader},
}

// readAll returns the items, "<too long>" for an ErrTooLong that is not
// final, and the final error.
func readAll(r *codec.Reader) (items []string, err error) {
	for {
		item, err := r.Next()
		if err == codec.ErrTooLong {
			if _, again := r.Next(); again == err {
				return items, err
			}
			panic("only for streams that end with an object too long")
		}
		if err != nil {
			return items, err
		}
		items = append(items, string(item))
	}
}

func TestReaderLines(t *testing.T) {
	long := strings.Repeat("x", 600<<10)
	tests := []struct {
		name, in   string
		want       []string
		terminated bool
	}{
		{"nothing", "", nil, false},
		{"one", "a\n", []string{"a"}, true},
		{"no newline at the end", "a\nb", []string{"a", "b"}, false},
		{"empty lines", "\n\na\n\n", []string{"", "", "a", ""}, true},
		{"carriage returns", "a\r\nb\r\n", []string{"a\r", "b\r"}, true},
		{"longer than the buffer", "a\n" + long + "\nb\n" + long, []string{"a", long, "b", long}, false},
	}
	for _, tt := range tests {
		for _, src := range sources {
			t.Run(tt.name+"/"+src.name, func(t *testing.T) {
				r := codec.NewReader(src.wrap(strings.NewReader(tt.in)), codec.Text, 0)
				got, err := readAll(r)
				require.Equal(t, io.EOF, err)
				require.Equal(t, tt.want, got)
				require.Equal(t, tt.terminated, r.Terminated())
				require.EqualValues(t, len(tt.want), r.Number())
				_, err = r.Next()
				require.Equal(t, io.EOF, err, "the end stays the end")
			})
		}
	}
}

func TestReaderLineTooLong(t *testing.T) {
	const maxLen = 300 << 10 // beyond the buffer's first size
	fits := strings.Repeat("x", maxLen)
	in := "a\n" + fits + "\n" + fits + "y\nb\n" + strings.Repeat(fits, 10) + "\n" + fits + "y"
	for _, src := range sources {
		t.Run(src.name, func(t *testing.T) {
			r := codec.NewReader(src.wrap(strings.NewReader(in)), codec.JSON, maxLen)
			for i, want := range []string{"a", fits, "<too long>", "b", "<too long>", "<too long>"} {
				line, err := r.Next()
				require.EqualValues(t, i+1, r.Number())
				if want == "<too long>" {
					require.Equal(t, codec.ErrTooLong, err)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, want, string(line))
			}
			require.False(t, r.Terminated())
			_, err := r.Next()
			require.Equal(t, io.EOF, err)
		})
	}
}

func TestReaderObjects(t *testing.T) {
	long := "\xdb\x00\x09\x60\x00" + strings.Repeat("x", 600<<10)
	array := "\xdd\x00\x09\x60\x00" + strings.Repeat("\x01", 600<<10)
	tests := []struct {
		name, in string
		want     []string
		err      error
	}{
		{"nothing", "", nil, io.EOF},
		{"two", "\x01\xa1a", []string{"\x01", "\xa1a"}, io.EOF},
		{"nested", "\x82\xa1a\x92\x01\x02\xa1b\x80\xc0", []string{"\x82\xa1a\x92\x01\x02\xa1b\x80", "\xc0"}, io.EOF},
		{"newline is 10", "\n\n", []string{"\n", "\n"}, io.EOF},
		{"longer than the buffer", "\x01" + long + array + "\x02", []string{"\x01", long, array, "\x02"}, io.EOF},
		{"cut short", "\x01\xa2a", []string{"\x01"}, io.ErrUnexpectedEOF},
		{"cut in a head", "\x01\xda\x00", []string{"\x01"}, io.ErrUnexpectedEOF},
		{"not msgpack", "\x01\xc1\x01", []string{"\x01"}, codec.ErrInvalidByte},
		{"too deep", strings.Repeat("\x91", 2000) + "\x90", nil, codec.ErrTooDeep},
		{"announces 4 GiB", "\x01\xdb\xff\xff\xff\xff", []string{"\x01"}, codec.ErrTooLong},
	}
	for _, tt := range tests {
		for _, src := range sources {
			t.Run(tt.name+"/"+src.name, func(t *testing.T) {
				r := codec.NewReader(src.wrap(strings.NewReader(tt.in)), codec.Msgpack, 0)
				got, err := readAll(r)
				require.ErrorIs(t, err, tt.err)
				require.Equal(t, tt.want, got)
				_, again := r.Next()
				require.Equal(t, err, again, "the error is final")
			})
		}
	}
}

func TestReaderObjectTooLong(t *testing.T) {
	object := "\xdc\x00\x64" + strings.Repeat("\x01", 100)
	for maxLen, want := range map[int]error{len(object): io.EOF, len(object) - 1: codec.ErrTooLong} {
		_, err := readAll(codec.NewReader(strings.NewReader(object), codec.Msgpack, maxLen))
		require.Equal(t, want, err, "maximum of %d", maxLen)
	}
}

func TestReaderObjectOffset(t *testing.T) {
	r := codec.NewReader(strings.NewReader("\x01\x92\x02\xc1"), codec.Msgpack, 0)
	_, err := readAll(r)
	se, ok := errors.AsType[*codec.SyntaxError](err)
	require.True(t, ok)
	require.Equal(t, 2, se.Offset)
	require.EqualValues(t, 2, r.Number())
}

func TestReaderSourceFails(t *testing.T) {
	broken := errors.New("broken")
	for _, f := range []codec.Format{codec.Text, codec.Msgpack} {
		r := codec.NewReader(io.MultiReader(strings.NewReader("\n\xa2a"), iotest.ErrReader(broken)), f, 0)
		_, err := r.Next()
		require.NoError(t, err)
		_, err = r.Next()
		require.Equal(t, broken, err, "half an item is not an item")
		_, err = r.Next()
		require.Equal(t, broken, err)
	}
	r := codec.NewReader(silent{}, codec.Text, 0)
	_, err := r.Next()
	require.Equal(t, io.ErrNoProgress, err)
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

// A line must not wait for the one after it.
func TestReaderIsPrompt(t *testing.T) {
	for f, item := range map[codec.Format]string{codec.Text: "a line\n", codec.Msgpack: "\x92\x01\x02"} {
		pr, pw := io.Pipe()
		r := codec.NewReader(pr, f, 0)
		for range 3 {
			go func() { _, _ = pw.Write([]byte(item)) }()
			got, err := r.Next()
			require.NoError(t, err)
			require.Equal(t, strings.TrimSuffix(item, "\n"), string(got))
		}
		require.NoError(t, pw.Close())
		_, err := r.Next()
		require.Equal(t, io.EOF, err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("a\nbb\n\nccc"), byte(2))
	f.Add([]byte("\x01\xa1a\x92\x01\x02\xc1"), byte(100))
	f.Fuzz(func(t *testing.T, in []byte, maxLen byte) {
		lines := codec.NewReader(iotest.HalfReader(bytes.NewReader(in)), codec.Text, 1+int(maxLen))
		for i, want := range bytes.SplitAfter(in, []byte("\n")) {
			if len(want) == 0 {
				break
			}
			line := bytes.TrimSuffix(want, []byte("\n"))
			got, err := lines.Next()
			require.EqualValues(t, i+1, lines.Number())
			if len(line) > 1+int(maxLen) {
				require.Equal(t, codec.ErrTooLong, err)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, string(line), string(got))
			require.Equal(t, len(line) < len(want), lines.Terminated())
		}
		_, err := lines.Next()
		require.Equal(t, io.EOF, err)

		objects := codec.NewReader(iotest.OneByteReader(bytes.NewReader(in)), codec.Msgpack, 0)
		rest := in
		for {
			object, err := objects.Next()
			if err != nil {
				require.Equal(t, len(rest) == 0, err == io.EOF, "%v", err)
				return
			}
			require.NoError(t, codec.Valid(object))
			require.True(t, bytes.HasPrefix(rest, object))
			rest = rest[len(object):]
		}
	})
}
