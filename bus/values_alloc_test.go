//go:build !race

package bus

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What docs/values.md says of what publishing a value allocates.
func TestAllocationsOfValues(t *testing.T) {
	b := newBus(t)
	ctx := context.Background()
	p, s := publisher(t, b, "a", Exclusive()), subscribe(t, b, "a", Exclusive())
	n := 1000
	var m Message
	none, some := true, false
	for _, tt := range []struct {
		name string
		v    any
		none bool
	}{
		{"a pointer to a struct", &struct {
			Bool   bool
			Int    int
			Float  float64
			String string
			Bytes  []byte
			Ints   []int
			Inner  struct{ N uint8 }
			Ptr    *int
			Any    any
			For    time.Duration
		}{String: "x", Bytes: []byte("x"), Ints: []int{1}, Ptr: &n, Any: 1000}, none},
		{"a number", 1000, none},
		{"a string", "abc", none},
		{"a time", time.Now(), none},
		{"a slice", []float64{1, 2}, none},
		{"a map of strings", map[string]string{"a": "b"}, none},
		{"a map of any", map[string]any{"a": 1000, "b": "x"}, none},
		{"a type with MarshalMsg", ownCodec{7}, none},
		{"a field with omitempty", &struct {
			A int `msgpack:",omitempty"`
		}{1}, some},
		{"a field of time.Time", &struct{ T time.Time }{time.Now()}, some},
		{"a field with an error", &struct{ E error }{errors.New("x")}, none},
		{"a field with a map of strings", &struct{ M map[string]string }{map[string]string{"a": "b"}}, some},
		{"an array of bytes", &struct{ A [4]byte }{}, some},
		{"a map with other keys", map[int]int{1: 2}, some},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := func() {
				require.NoError(t, p.Publish(ctx, tt.v))
				require.NoError(t, s.Receive(ctx, &m))
			}
			for range 100 {
				f() // buffers grow to their size
			}
			require.Equal(t, tt.none, testing.AllocsPerRun(500, f) == 0)
		})
	}
}
