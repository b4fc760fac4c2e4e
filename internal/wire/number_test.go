package wire_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/internal/wire"
)

func TestNearest(t *testing.T) {
	exact := new(big.Float).SetFloat64(0.1).Text('g', 60)
	tests := []struct {
		text string
		want any
		fits bool
	}{
		{"0", uint64(0), true},
		{"127", uint64(127), true},
		{"18446744073709551615", uint64(math.MaxUint64), true},
		{"-1", int64(-1), true},
		{"-9223372036854775808", int64(math.MinInt64), true},
		{"-0", math.Copysign(0, -1), true},
		{"-0.0", math.Copysign(0, -1), true},
		{"0e999999999999", 0.0, true},
		{"0.00", 0.0, true},
		{"100.00", 100.0, true},
		{"101.50", 101.5, true},
		{"1e5", 1e5, true},
		{"1E+5", 1e5, true},
		{"1e+16", 1e16, true},
		{"0.1", 0.1, true},
		{"0.10000000000000001", 0.1, true},    // printf %.17g
		{"1.0000000000000000e-01", 0.1, true}, // printf %.16e
		{exact, 0.1, true},                    // new BigDecimal(0.1)
		{exact + "1", 0.1, false},
		{"0.1000000000000000055511151231257827", 0.1, true},
		{"0.1000000000000000055511151231257828", 0.1, false},
		{"0.30000000000000004", 0.30000000000000004, true},
		{"9007199254740993.0", 9007199254740992.0, false},
		{"9007199254740992.0", 9007199254740992.0, true},
		{"9007199254740993", uint64(9007199254740993), true},
		{"18446744073709551616", 18446744073709551616.0, true},
		{"18446744073709551617", 18446744073709551616.0, false},
		{"-9223372036854775809", -9223372036854775808.0, false},
		{"-9223372036854777856", -9223372036854777856.0, true},
		{"99999999999999999999", 1e20, false},
		{"100000000000000000000", 1e20, true},
		{"3.14159265358979323846264338", math.Pi, false},
		{"3.141592653589793", math.Pi, true},
		{"1.7976931348623157e308", math.MaxFloat64, true},
		{"1.7976931348623158e308", math.MaxFloat64, false},
		{"5e-324", 5e-324, true},
		{"4.9406564584124654e-324", 5e-324, true},
		{"4e-324", 5e-324, false},
		{"1e-400", 0.0, false},
		{"-1e-400", math.Copysign(0, -1), false},
		{"1e400", math.Inf(1), false},
		{"-1e400", math.Inf(-1), false},
		{"1" + strings.Repeat("0", 5000), math.Inf(1), false},
		{"1" + strings.Repeat("0", 300), 1e300, true},
		{"0." + strings.Repeat("3", 5000), 1.0 / 3, false},
	}
	for _, tt := range tests {
		t.Run(tt.text[:min(40, len(tt.text))], func(t *testing.T) {
			require.True(t, wire.IsNumber([]byte(tt.text)))
			n := wire.Nearest([]byte(tt.text))
			require.Equal(t, tt.fits, n.Fits)
			switch want := tt.want.(type) {
			case uint64:
				require.Equal(t, wire.Number{Kind: wire.Uint, Bits: want, Fits: tt.fits}, n)
			case int64:
				require.Equal(t, wire.Number{Kind: wire.Int, Bits: uint64(want), Fits: tt.fits}, n)
			case float64:
				require.Equal(t, wire.Float64, n.Kind)
				require.Equal(t, math.Float64bits(want), n.Bits, "%v", n.Float())
			}
		})
	}
}

// What fits is told from what does not by exact arithmetic: a decimal of n digits fits the float64
// nearest to it if no other decimal of n digits is nearer to that. And whatever strconv prints of a
// float64 with 17 digits or as few as possible, fits.
func TestNearestAgainstExactArithmetic(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 5))
	unfit := 0
	for range 30_000 {
		v := math.Float64frombits(r.Uint64())
		if r.IntN(2) == 0 {
			v = r.NormFloat64() * math.Pow(10, float64(r.IntN(40)-20))
		}
		if math.IsNaN(v) || math.IsInf(v, 0) || v == 0 {
			continue
		}
		for _, digits := range []int{-1, 16, 16 + r.IntN(30)} {
			n := wire.Nearest(strconv.AppendFloat(nil, v, 'e', digits, 64))
			require.Equal(t, wire.Number{Kind: wire.Float64, Bits: math.Float64bits(v), Fits: true}, n)
		}
		text := strconv.AppendUint([]byte("0."), r.Uint64(), 10)
		text = strconv.AppendInt(append(text, 'e'), int64(r.IntN(600)-300), 10)
		n := wire.Nearest(text)
		written, ok := wire.Rational(text)
		require.True(t, ok)
		off := new(big.Rat).SetFloat64(n.Float())
		off.Sub(off, written).Abs(off)
		trimmed := strings.TrimRight(string(text[2:strings.IndexByte(string(text), 'e')]), "0")
		exponent, _ := strconv.Atoi(string(text[strings.IndexByte(string(text), 'e')+1:]))
		half, ok := new(big.Rat).SetString("0.5e" + strconv.Itoa(exponent-len(trimmed)))
		require.True(t, ok)
		if off.Cmp(half) != 0 { // a tie goes either way
			require.Equal(t, off.Cmp(half) < 0, n.Fits, "%s", text)
		}
		if !n.Fits {
			unfit++
		}
	}
	require.Greater(t, unfit, 1000)
}

func TestIsNumber(t *testing.T) {
	for _, good := range []string{"0", "-0", "10", "-1.50", "1e5", "1E+05", "1.0e-0", "0e0"} {
		require.True(t, wire.IsNumber([]byte(good)), good)
	}
	for _, bad := range []string{"", "-", "01", "+1", ".5", "1.", "1e", "1e+", "1e5.0", "0x1", "1_0", "NaN", " 1", "1 ", "--1", "1e5 1"} {
		require.False(t, wire.IsNumber([]byte(bad)), bad)
	}
}

func TestRationalIsBounded(t *testing.T) {
	r, ok := wire.Rational([]byte("-1.50e3"))
	require.True(t, ok)
	require.Equal(t, "-1500", r.RatString())
	for _, huge := range []string{"1e401", "1e-401", "1e999999999999999999999", "x", "1/3", "0x10", strings.Repeat("1", 10_001)} {
		_, ok := wire.Rational([]byte(huge))
		require.False(t, ok, huge)
	}
}
