package codec_test

import (
	"math"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"shmbus/bus"
	"shmbus/cmd/internal/codec"
)

// Numbers as other tools write them: what they are in msgpack, what they come out as, and whether
// that is another number.
func TestNumbersAsOtherToolsWriteThem(t *testing.T) {
	tests := []struct {
		tool, text string
		want       any
		out        string
		rounded    bool
	}{
		{"awk %.2f", "101.50", 101.5, "101.5", false},
		{"awk %.2f", "100.00", 100.0, "100.0", false},
		{"awk %.2f", "-0.00", math.Copysign(0, -1), "-0.0", false},
		{"awk %g", "1e+21", 1e21, "1e+21", false},
		{"awk %g", "1e-05", 1e-5, "0.00001", false},
		{"awk %.3e", "5.000e+00", 5.0, "5.0", false},
		{"awk %d of 2^70", "1180591620717411303424", math.Pow(2, 70), "1.1805916207174113e+21", false},
		{"printf %.17g", "0.10000000000000001", 0.1, "0.1", false},
		{"printf %d", "-0", math.Copysign(0, -1), "-0.0", false},
		{"Python repr", "1e+16", 1e16, "10000000000000000.0", false},
		{"Python repr", "1e-07", 1e-7, "1e-7", false},
		{"Python repr", "1e+100", 1e100, "1e+100", false},
		{"Python int", "18446744073709551616", math.Pow(2, 64), "18446744073709552000.0", false},
		{"Python int", "99999999999999999999", 1e20, "100000000000000000000.0", true},
		{"Python int", "-9223372036854775809", -math.Pow(2, 63), "-9223372036854776000.0", true},
		{"Python Decimal", "99.90", 99.9, "99.9", false},
		{"Python Decimal", "1E+5", 1e5, "100000.0", false},
		{"Python Decimal", "0E-10", 0.0, "0.0", false},
		{"Java Double.toString", "1.0E10", 1e10, "10000000000.0", false},
		{"Java BigDecimal", "1E+3", 1000.0, "1000.0", false},
		{"Java new BigDecimal(0.1)", "0.1000000000000000055511151231257827021181583404541015625", 0.1, "0.1", false},
		{"Java BigDecimal", "3.14159265358979323846264338", math.Pi, "3.141592653589793", true},
		{"PostgreSQL numeric", "1234567890.123456789", 1234567890.123456789, "1234567890.1234567", true},
		{"PostgreSQL numeric", "1000000.0000", 1e6, "1000000.0", false},
		{"PostgreSQL double", "1e+300", 1e300, "1e+300", false},
		{"SQLite real", "1.0e+15", 1e15, "1000000000000000.0", false},
		{"MySQL double", "1e15", 1e15, "1000000000000000.0", false},
		{"JavaScript", "5e-324", 5e-324, "5e-324", false},
		{"JavaScript", "9007199254740993", uint64(9007199254740993), "9007199254740993", false},
		{"JavaScript", "1.7976931348623157e+308", math.MaxFloat64, "1.7976931348623157e+308", false},
		{"bc", "0.0000000001", 1e-10, "1e-10", false},
		{"bc", "1.00000000000000000001", 1.0, "1.0", true},
		{"too small", "1e-400", 0.0, "0.0", true},
	}
	for _, tt := range tests {
		t.Run(tt.tool+" "+tt.text, func(t *testing.T) {
			rounded := ""
			e := codec.Encoder{Rounded: func(text []byte, nearest float64) {
				rounded = string(text) + strconv.FormatFloat(nearest, 'g', -1, 64)
			}}
			frame, err := e.AppendFrame(nil, []byte(`{"bid":`+tt.text+`}`))
			require.NoError(t, err)
			var got struct {
				Bid float64 `msgpack:"bid"`
			}
			var loose map[string]any
			var quote struct {
				Bid float64 `json:"bid"`
			}
			require.NoError(t, msgpack.Unmarshal(frame, &got))
			require.NoError(t, msgpack.Unmarshal(frame, &loose))
			if err := (bus.Message{Raw: frame}).Decode(&quote); tt.want == uint64(9007199254740993) {
				require.ErrorContains(t, err, "bid: 9007199254740993 does not fit float64")
			} else {
				require.NoError(t, err)
				require.Equal(t, math.Float64bits(got.Bid), math.Float64bits(quote.Bid))
			}
			require.NoError(t, bus.Message{Raw: toFrame(t, `{"bid":`+tt.text+`}`)}.Decode(new(any)), "exact")
			if want, ok := tt.want.(float64); ok {
				require.Equal(t, math.Float64bits(want), math.Float64bits(got.Bid))
				require.Equal(t, want, loose["bid"])
				require.Equal(t, tt.rounded, rounded == tt.text+strconv.FormatFloat(want, 'g', -1, 64))
			} else {
				require.Equal(t, tt.want, loose["bid"])
				require.Empty(t, rounded)
			}
			require.Equal(t, tt.rounded, rounded != "")
			require.Equal(t, `{"bid":`+tt.out+`}`, toJSON(t, frame))

			require.Equal(t, `{"bid":`+tt.text+`}`, toJSON(t, toFrame(t, `{"bid":`+tt.text+`}`)), "exact")
			refusing := codec.Encoder{Numbers: codec.Refuse}
			_, err = refusing.AppendFrame(nil, []byte(`{"bid":`+tt.text+`}`))
			require.Equal(t, tt.rounded, err != nil)
			if err != nil {
				require.ErrorContains(t, err, "json: byte 7: the number "+tt.text[:min(40, len(tt.text))])
			}
		})
	}
	_, err := codec.JSON.AppendFrame([]byte("dst"), []byte(`[1,-1e400]`))
	require.EqualError(t, err, "json: byte 3: the number -1e400 is beyond the range of float64")
	require.Equal(t, "[1,-1e400]", toJSON(t, toFrame(t, "[1,-1e400]")))
}

func TestNumbersFlag(t *testing.T) {
	var n codec.Numbers
	for i, name := range codec.NumbersNames() {
		require.NoError(t, n.Set(name))
		require.Equal(t, codec.Numbers(i), n)
		require.Equal(t, name, n.String())
	}
	require.EqualError(t, n.Set("round"), `unknown way to carry numbers "round": use one of nearest, exact, error`)
	require.Equal(t, "nearest|exact|error", n.Type())
}
