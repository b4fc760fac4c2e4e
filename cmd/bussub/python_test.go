//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/cmd/internal/codec"
)

// python returns an interpreter that has the msgpack module (Debian: python3-msgpack). Where there
// is none the test is left out, but not where SHMBUS_TEST_TOOLS=required says that all tools are
// there.
func python(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import msgpack").Run() == nil {
			return name
		}
	}
	if os.Getenv("SHMBUS_TEST_TOOLS") == "required" {
		t.Fatal("no python3 with the msgpack module here (Debian: python3-msgpack)")
	}
	t.Skip("no python3 with the msgpack module here (Debian: python3-msgpack)")
	return ""
}

// randomNumber writes a number as some tool may.
func randomNumber(r *rand.Rand) string {
	f := r.NormFloat64() * math.Pow(10, float64(r.IntN(30)-15))
	if r.IntN(4) == 0 {
		for f = math.Inf(1); math.IsInf(f, 0) || math.IsNaN(f); {
			f = math.Float64frombits(r.Uint64())
		}
	}
	digits := func(n int) string {
		b := []byte{byte('1' + r.IntN(9))}
		for range n {
			b = append(b, byte('0'+r.IntN(10)))
		}
		return string(b)
	}
	switch r.IntN(10) {
	case 0:
		return strconv.FormatUint(r.Uint64()>>r.IntN(64), 10)
	case 1:
		return strconv.FormatInt(int64(r.Uint64())>>r.IntN(64), 10)
	case 2:
		return fmt.Sprintf("%.2f", math.Mod(f, 1e9))
	case 3:
		return fmt.Sprintf("%.*e", r.IntN(25), f)
	case 4:
		return fmt.Sprintf("%.17g", f)
	case 5:
		return strconv.FormatFloat(f, 'e', -1, 64)
	case 6:
		return digits(r.IntN(30))
	case 7:
		return "-" + digits(r.IntN(12)) + "." + digits(r.IntN(20))
	case 8:
		return digits(r.IntN(3)) + []string{"e", "E", "e+", "E-", "e-0", "e+00"}[r.IntN(6)] + strconv.Itoa(r.IntN(200))
	}
	return new(big.Float).SetFloat64(math.Mod(f, 1e30)).Text('f', 60)
}

func randomDocument(r *rand.Rand, depth int) string {
	kinds := 8
	if depth == 0 {
		kinds = 6
	}
	switch r.IntN(kinds) {
	case 0:
		return []string{"null", "true", "false", "-0", "-0.0", "0.00"}[r.IntN(6)]
	case 1:
		text, _ := json.Marshal(strings.Repeat("naïve \"日本\"\n", r.IntN(4)))
		return string(text)
	case 6:
		var list []string
		for range r.IntN(20) {
			list = append(list, randomDocument(r, depth-1))
		}
		return "[" + strings.Join(list, ", ") + "]"
	case 7:
		var list []string
		for i := range r.IntN(20) {
			list = append(list, fmt.Sprintf(`"k%d": %s`, i, randomDocument(r, depth-1)))
		}
		return "{" + strings.Join(list, ",") + "}"
	}
	return randomNumber(r)
}

// expected is what [bus.Message.Decode] makes of the JSON text, by strconv alone.
func expected(t *testing.T, v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil && v != "-0" {
			return n
		}
		if n, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
			return n
		}
		f, err := v.Float64()
		require.NoError(t, err)
		return f
	case []any:
		for i := range v {
			v[i] = expected(t, v[i])
		}
	case map[string]any:
		if text, ok := v["$bytes"].(string); ok && len(v) == 1 {
			var b []byte
			require.NoError(t, json.Unmarshal([]byte(strconv.Quote(text)), &b))
			return b
		}
		for k := range v {
			v[k] = expected(t, v[k])
		}
	}
	return v
}

// decodes checks that the messages of a bus, decoded into any, are the values of the JSON lines.
func decodes(t *testing.T, b *bus.Bus, lines []byte) {
	t.Helper()
	s, err := b.Subscribe(">", bus.FromOldest())
	require.NoError(t, err)
	defer s.Close()
	for line := range bytes.Lines(lines) {
		m, err := s.TryNext()
		require.NoError(t, err)
		var got, want any
		require.NoError(t, m.Decode(&got), "%s", line)
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.UseNumber()
		require.NoError(t, dec.Decode(&want))
		require.Equal(t, expected(t, want), got, "%s", line)
	}
	_, err = s.TryNext()
	require.ErrorIs(t, err, bus.ErrEmpty)
}

// What awk, printf, Python and a generator of every way to write numbers put on a bus as JSON is
// read by Python's msgpack, by Go into any, and from bussub's JSON as the values that were written;
// which numbers are rounded, Python's decimal says as well.
func TestPythonReadsWhatWasWritten(t *testing.T) {
	py := python(t)
	home(t)
	script, err := filepath.Abs("testdata/values.py")
	require.NoError(t, err)
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	r := rand.New(rand.NewPCG(1, 1))
	var random bytes.Buffer
	for range 3000 {
		random.WriteString(randomDocument(r, 3) + "\n")
	}
	require.NoError(t, os.WriteFile(in, random.Bytes(), 0o600))
	got := shell(t, fmt.Sprintf(`
		awk 'BEGIN {for (i = 0; i < 500; i++) printf "{\"awk\":[%%.2f,%%g,%%.3e,%%d,%%.17g]}\n", i*i/7, exp(i/3), exp(-i/9), i-250, i/3}' >> %[1]s
		for i in $(seq 100); do printf '{"printf":[%%.2f,%%e,%%d,%%.10f]}\n' $i.5 $i.25 -$i 0.0$i >> %[1]s; done
		%[2]s %[3]s tools 300 >> %[1]s
	`, in, py, script))
	require.Equal(t, 0, got.Code, got.Stderr)
	lines, err := os.ReadFile(in)
	require.NoError(t, err)
	count := bytes.Count(lines, []byte("\n"))
	require.Equal(t, 3000+500+100+600, count)
	var roundings bytes.Buffer
	for line := range bytes.Lines(lines) {
		n := 0
		e := codec.Encoder{Rounded: func([]byte, float64) { n++ }}
		_, err := e.AppendFrame(nil, line)
		require.NoError(t, err, "%s", line)
		fmt.Fprintln(&roundings, n)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "roundings"), roundings.Bytes(), 0o600))

	b := create(t, "b", bus.WithSlots(1<<16))
	got = shell(t, fmt.Sprintf(`
		cd %[4]s
		buspub -b b x < in || exit
		bussub -b b --from oldest -n %[1]d -f msgpack > out.msgpack || exit
		bussub -b b --from oldest -n %[1]d > out.json || exit
		%[2]s %[3]s same out.msgpack in roundings && %[2]s %[3]s same out.msgpack out.json
	`, count, py, script, dir))
	require.Equal(t, 0, got.Code, got.Stderr)
	require.Equal(t, fmt.Sprintf("%[1]d\n%[1]d\n", count), got.Stdout)
	require.Contains(t, got.Stderr, "is published as the nearest float64")
	decodes(t, b, lines)
}

// What Python packs comes out to the byte, also by way of JSON, and is printed and decoded as the
// values that were packed.
func TestPythonsMessagesComeOutAsTheyWere(t *testing.T) {
	py := python(t)
	home(t)
	script, err := filepath.Abs("testdata/values.py")
	require.NoError(t, err)
	dir := t.TempDir()
	const count = 2000
	b := create(t, "b", bus.WithSlots(1<<18))
	create(t, "c", bus.WithSlots(1<<18))
	got := shell(t, fmt.Sprintf(`
		cd %[4]s
		%[2]s %[3]s write %[1]d in.msgpack in.json || exit
		buspub -b b -f msgpack x < in.msgpack || exit
		bussub -b b --from oldest -n %[1]d -f msgpack | cmp in.msgpack || exit
		bussub -b b --from oldest -n %[1]d > out.json || exit
		buspub -b c x < out.json || exit
		bussub -b c --from oldest -n %[1]d -f msgpack | cmp in.msgpack || exit
		%[2]s %[3]s same in.msgpack out.json
	`, count, py, script, dir))
	require.Equal(t, 0, got.Code, got.Stderr)
	require.Equal(t, fmt.Sprintf("%d\n", count), got.Stdout)
	require.Empty(t, got.Stderr)
	lines, err := os.ReadFile(filepath.Join(dir, "in.json"))
	require.NoError(t, err)
	decodes(t, b, lines)
}
