package codec_test

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"shmbus/cmd/internal/codec"
)

var words = []string{"", "a", "naïve", "日本語", "🎉", "line\nline", "\x00\x1f", `say "hi" \ bye`, "a/b<c>&d",
	"thirty-two bytes of ASCII text!!", "$bytes", "\u007f", "\ufffd"}

func randomFloat(r *rand.Rand) float64 {
	switch r.IntN(4) {
	case 0:
		return float64(r.IntN(2000)-1000) / 100
	case 1:
		return r.NormFloat64() * math.Pow(10, float64(r.IntN(60)-30))
	case 2:
		return float64(r.Int64N(1 << 53))
	}
	for {
		if v := math.Float64frombits(r.Uint64()); !math.IsNaN(v) && !math.IsInf(v, 0) {
			return v
		}
	}
}

// randomJSON returns a value of what encoding/json makes of JSON, the
// numbers as json.Number.
func randomJSON(r *rand.Rand, depth int) any {
	n := 9
	if depth == 0 {
		n = 7
	}
	switch r.IntN(n) {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2, 3:
		return words[r.IntN(len(words))] + words[r.IntN(len(words))]
	case 4:
		return json.Number(strconv.FormatInt(int64(r.Uint64())>>r.IntN(64), 10))
	case 5:
		return json.Number(strconv.FormatUint(r.Uint64()>>r.IntN(64), 10))
	case 6:
		v := randomFloat(r)
		if abs := math.Abs(v); abs >= 1e15 && abs < 1e21 {
			v = 0.5 // printed as an integer, maybe one that fits no int
		}
		b, _ := json.Marshal(v)
		return json.Number(b)
	case 7:
		list := make([]any, r.IntN(20))
		for i := range list {
			list[i] = randomJSON(r, depth-1)
		}
		return list
	}
	object := map[string]any{}
	for range r.IntN(20) {
		object[words[r.IntN(len(words))]+strconv.Itoa(r.IntN(30))] = randomJSON(r, depth-1)
	}
	return object
}

// What encoding/json prints comes out the same, and vmihailenco/msgpack reads
// the frame as the value that was printed.
func TestOracleJSON(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		want := randomJSON(r, 3)
		var line bytes.Buffer
		enc := json.NewEncoder(&line)
		enc.SetEscapeHTML(false)
		require.NoError(t, enc.Encode(want))
		frame, err := codec.JSON.AppendFrame(nil, line.Bytes())
		require.NoError(t, err)
		out, err := codec.JSON.AppendLine(nil, frame)
		require.NoError(t, err)
		require.Equal(t, line.String(), string(out))

		var got any
		dec := msgpack.NewDecoder(bytes.NewReader(frame))
		dec.UseLooseInterfaceDecoding(true)
		require.NoError(t, dec.Decode(&got), "seed %d", seed)
		require.Equal(t, plain(t, want), got, "seed %d", seed)
	}
}

// plain replaces each json.Number by the kind of value its frame holds.
func plain(t *testing.T, v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return looseInt(n)
		}
		if n, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
			return n
		}
		n, err := v.Float64()
		require.NoError(t, err)
		return n
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(t, v[i])
		}
		return list
	case map[string]any:
		object := map[string]any{}
		for k := range v {
			object[k] = plain(t, v[k])
		}
		return object
	}
	return v
}

// looseInt is how a loose decoder returns the shortest encoding of n.
func looseInt(n int64) any {
	if n > math.MaxInt8 {
		return uint64(n)
	}
	return n
}

// encodeRandom writes a random value that JSON can carry both ways.
func encodeRandom(t *testing.T, r *rand.Rand, enc *msgpack.Encoder, depth int) {
	kinds := 11
	if depth == 0 {
		kinds = 9
	}
	var err error
	switch r.IntN(kinds) {
	case 0:
		err = enc.EncodeNil()
	case 1:
		err = enc.EncodeBool(r.IntN(2) == 0)
	case 2:
		err = enc.EncodeInt(int64(r.Uint64()) >> r.IntN(64))
	case 3:
		err = enc.EncodeUint(r.Uint64() >> r.IntN(64))
	case 4:
		err = enc.EncodeFloat64(randomFloat(r))
	case 5:
		err = enc.EncodeString(words[r.IntN(len(words))] + string(randomBytes(r, 5)))
	case 6:
		err = enc.EncodeBytes(randomBytes(r, 300))
	case 7:
		sec := r.Int64N(1<<33) - 1<<32
		if r.IntN(2) == 0 {
			sec = r.Int64N(1 << 38)
		}
		err = enc.EncodeTime(time.Unix(sec, int64(r.IntN(2)*r.IntN(1e9))))
	case 8:
		payload := randomBytes(r, 20)
		if err = enc.EncodeExtHeader(int8(r.Uint32()), len(payload)); err == nil {
			_, err = enc.Writer().Write(payload)
		}
	case 9:
		n := r.IntN(20)
		err = enc.EncodeArrayLen(n)
		for range n {
			encodeRandom(t, r, enc, depth-1)
		}
	case 10:
		n := r.IntN(20)
		err = enc.EncodeMapLen(n)
		for i := range n {
			require.NoError(t, enc.EncodeString(words[r.IntN(len(words))]+strconv.Itoa(i)))
			encodeRandom(t, r, enc, depth-1)
		}
	}
	require.NoError(t, err)
}

func randomBytes(r *rand.Rand, limit int) []byte {
	b := make([]byte, r.IntN(limit))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// What vmihailenco/msgpack writes comes back from JSON to the byte.
func TestOracleMsgpack(t *testing.T) {
	for seed := range uint64(5000) {
		r := rand.New(rand.NewPCG(seed, 2))
		var frame bytes.Buffer
		encodeRandom(t, r, msgpack.NewEncoder(&frame), 3)
		require.NoError(t, codec.Valid(frame.Bytes()))
		line := toJSON(t, frame.Bytes())
		require.True(t, json.Valid([]byte(line)), line)
		require.True(t, bytes.Equal(frame.Bytes(), toFrame(t, line)), "seed %d", seed)
	}
}

// Every finite float has one text, that of encoding/json but for the ".0".
func TestOracleFloats(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	for range 200_000 {
		v := randomFloat(r)
		frame := []byte{0xcb}
		for shift := 56; shift >= 0; shift -= 8 {
			frame = append(frame, byte(math.Float64bits(v)>>shift))
		}
		text, err := codec.JSON.AppendLine(nil, frame)
		require.NoError(t, err)
		want, err := json.Marshal(v)
		require.NoError(t, err)
		require.Equal(t, string(want), string(bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte(".0"))))
		back, err := codec.JSON.AppendFrame(nil, text)
		require.NoError(t, err)
		require.Equal(t, frame, back, "%s", text)
	}
}

// With exact numbers any decimal text comes out as written and, unless carried as an ext, reads
// as the float64 that strconv reads.
func TestOracleDecimals(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	for range 200_000 {
		text := strconv.AppendUint(nil, r.Uint64()>>r.IntN(64), 10)
		text = append(text, '.')
		for range r.IntN(8) {
			text = append(text, '0')
		}
		text = strconv.AppendUint(text, r.Uint64()>>r.IntN(64), 10)
		if r.IntN(2) == 0 {
			text[0] = '0'
			text = append(text[:1], text[bytes.IndexByte(text, '.'):]...)
		}
		if r.IntN(8) == 0 {
			text = strconv.AppendInt(append(text, 'e'), int64(r.IntN(40)-20), 10)
		}
		frame := toFrame(t, string(text))
		require.Equal(t, string(text), toJSON(t, frame))
		v, err := strconv.ParseFloat(string(text), 64)
		require.NoError(t, err)
		shortest, err := json.Marshal(v)
		require.NoError(t, err)
		plain := bytes.Equal(shortest, bytes.TrimSuffix(text, []byte(".0")))
		require.Equal(t, plain, frame[0] == 0xcb, "%s is carried as % x", text, frame)
		if plain {
			var got float64
			require.NoError(t, msgpack.Unmarshal(frame, &got))
			require.Equal(t, v, got)
		}
	}
}
