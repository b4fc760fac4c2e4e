package wire_test

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/internal/wire"
)

func TestCheck(t *testing.T) {
	arrays := func(n int) string { return strings.Repeat("\x91", n-1) + "\x90" }
	million := "\x81\xa1a\xdf\x00\x0f\x42\x40"
	tests := []struct {
		name, frame string
		offset      int
		err         error
	}{
		{"nil", "\xc0", 1, nil},
		{"every head", "\xdc\x00\x22\x00\x7f\xe0\xff\xc0\xc2\xc3\x80\x81\xa0\xc0\x90\x91\x01\xa0\xa1a\xc4\x01b\xc5\x00\x01b\xc6\x00\x00\x00\x01b\xc7\x02\x05ab\xc8\x00\x02\x05ab\xc9\x00\x00\x00\x02\x05ab" +
			"\xca1234\xcb12345678\xcc1\xcd12\xce1234\xcf12345678\xd01\xd112\xd21234\xd312345678\xd4\x051\xd5\x0512\xd6\x051234\xd9\x01a\xda\x00\x01a", 0, nil},
		{"empty", "", 0, io.ErrUnexpectedEOF},
		{"two values", "\x01\x02", 1, wire.ErrTrailing},
		{"never used byte", "\x92\x01\xc1", 2, wire.ErrInvalidByte},
		{"cut in a head", "\x92\x01\xcd\x01", 4, io.ErrUnexpectedEOF},
		{"cut in a payload", "\xa3ab", 3, io.ErrUnexpectedEOF},
		{"cut in an int", "\xcf1234567", 8, io.ErrUnexpectedEOF},
		{"ext without a type", "\xd4", 1, io.ErrUnexpectedEOF},
		{"4 GiB str", "\xdb\xff\xff\xff\xffa", 6, io.ErrUnexpectedEOF},
		{"4 Gi elements", "\xdd\xff\xff\xff\xff\xc0", 6, io.ErrUnexpectedEOF},
		{"4 Gi pairs", "\xdf\xff\xff\xff\xff\xc0", 6, io.ErrUnexpectedEOF},
		{"a million pairs in each other", strings.Repeat(million, 7) + "\xc0", 57, io.ErrUnexpectedEOF},
		{"each fits the rest, not both together", "\x95\x94" + "\x01\x01\x01\x01\x01", 7, io.ErrUnexpectedEOF},
		{"deepest", arrays(wire.MaxDepth), wire.MaxDepth, nil},
		{"too deep", arrays(wire.MaxDepth + 1), wire.MaxDepth, wire.ErrTooDeep},
		{"too deep in a key", strings.Repeat("\x91", wire.MaxDepth-2) + "\x81" + arrays(2) + "\x01", wire.MaxDepth, wire.ErrTooDeep},
		{"too deep later", "\x93\x01\x81\x01\x02" + arrays(wire.MaxDepth), 5 + wire.MaxDepth - 1, wire.ErrTooDeep},
		{"many that are not deep", "\xdc\x27\x10" + strings.Repeat("\x91\x90", 10_000), 20_003, nil},
		{"4 MB of arrays", strings.Repeat("\x91", 4<<20) + "\xc0", wire.MaxDepth, wire.ErrTooDeep},
		{"4 MB of maps as keys", strings.Repeat("\x81", 2<<20) + strings.Repeat("\xc0", 2<<20+1), wire.MaxDepth, wire.ErrTooDeep},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			offset, err := wire.Check([]byte(tt.frame))
			require.Equal(t, tt.err, err)
			if tt.err == nil {
				tt.offset = len(tt.frame)
			}
			require.Equal(t, tt.offset, offset)
			if tt.err == nil {
				for cut := range len(tt.frame) {
					if cut > 100 {
						break
					}
					_, err := wire.Check([]byte(tt.frame[:cut]))
					require.Equal(t, io.ErrUnexpectedEOF, err)
				}
			}
		})
	}
	_, err := wire.CheckAll([]byte("\x01\x91\x02\xa1a"))
	require.NoError(t, err)
	_, err = wire.CheckAll(nil)
	require.NoError(t, err)
	_, err = wire.CheckAll([]byte("\x01\x92\x02"))
	require.Equal(t, io.ErrUnexpectedEOF, err)
}

func BenchmarkCheck(b *testing.B) {
	quote := []byte("\x86\xa6symbol\xa3SAP\xa3bid\xcb12345678\xa3ask\xcb12345678\xa4size\xcd12\xa3seq\xce1234\xa5venue\xa4XETR")
	b.SetBytes(int64(len(quote)))
	for b.Loop() {
		if _, err := wire.Check(quote); err != nil {
			b.Fatal(err)
		}
	}
}
