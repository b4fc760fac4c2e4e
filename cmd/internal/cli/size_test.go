//go:build linux

package cli

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseSize(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want int64
		text string // as String prints it
	}{
		{"0", 0, "0"}, {"512", 512, "512"}, {"64K", 64 << 10, "64K"}, {"64k", 64 << 10, "64K"}, {"16MiB", 16 << 20, "16M"},
		{"16mib", 16 << 20, "16M"}, {"2G", 2 << 30, "2G"}, {"1T", 1 << 40, "1T"}, {" 8K ", 8 << 10, "8K"}, {"1536", 1536, "1536"},
		{"9223372036854775807", math.MaxInt64, "9223372036854775807"},
	} {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ParseSize(tt.in)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.text, Size(got).String())
		})
	}
	for _, in := range []string{"", "K", "-1", "+1", "1.5K", "8 K", "64KB", "64B", "x", "8E", "9223372036854775808", "9007199254740992K", "1T1"} {
		t.Run("bad "+in, func(t *testing.T) {
			_, err := ParseSize(in)
			require.Error(t, err)
		})
	}
}

func TestSizeKeepsItsValueWhenTheTextIsWrong(t *testing.T) {
	v := Size(-1)
	require.Empty(t, v.String())
	require.Error(t, v.Set("many"))
	require.Equal(t, Size(-1), v)
	require.NoError(t, v.Set("4K"))
	require.Equal(t, Size(4096), v)
}

func TestFormats(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{Bytes(0), "0 B"}, {Bytes(1023), "1023 B"}, {Bytes(1024), "1 KiB"}, {Bytes(1536), "1.5 KiB"}, {Bytes(1<<20 - 1), "1 MiB"},
		{Bytes(2883584), "2.75 MiB"}, {Bytes(math.MaxUint64), "16 EiB"},
		{Count(0), "0"}, {Count(99_999), "99999"}, {Count(100_000), "100k"}, {Count(1_250_000), "1.25M"}, {Count(999_999), "1M"},
		{Plural(0, "message"), "0 messages"}, {Plural(1, "message"), "1 message"}, {Plural(uint64(2), "bus"), "2 buses"},
		{Rate(0), "0/s"}, {Rate(-3), "0/s"}, {Rate(math.NaN()), "0/s"}, {Rate(0.5), "0.5/s"}, {Rate(4), "4/s"}, {Rate(999), "999/s"}, {Rate(1_250_000), "1.25M/s"},
		{Age(0), "0s"}, {Age(-5e9), "0s"}, {Age(59.9e9), "59s"}, {Age(310e9), "5m10s"}, {Age(7500e9), "2h05m"}, {Age(356400e9), "4d03h"},
	} {
		require.Equal(t, tt.want, tt.got)
	}
}
