package bus

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
)

// A field without a msgpack tag has the name of its json tag in the frame.
func TestPublishUsesJSONTags(t *testing.T) {
	b := newBus(t)
	ctx := soon(t)
	s, p := subscribe(t, b, ">"), publisher(t, b, "a")
	require.NoError(t, p.Publish(ctx, struct {
		Bid  float64 `json:"bid"`
		Ask  float64 `msgpack:"a" json:"ask"`
		Note string  `json:"note,omitempty"`
		Own  string  `json:"-"`
		Size int
	}{Bid: 101.5, Ask: 101.6, Own: "x", Size: 7}))
	m, err := s.Next(ctx)
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, msgpack.Unmarshal(m.Raw, &got))
	require.Equal(t, map[string]any{"bid": 101.5, "a": 101.6, "Size": int8(7)}, got)
}

// A string that one frame interns is whole in the next one: a subscriber may begin anywhere.
func TestInterningEndsWithTheFrame(t *testing.T) {
	b := newBus(t)
	ctx := soon(t)
	s, p := subscribe(t, b, ">"), publisher(t, b, "a")
	type row struct {
		A string `msgpack:",intern"`
		B string `msgpack:",intern"`
	}
	for range 3 {
		require.NoError(t, p.Publish(ctx, row{"frankfurt", "frankfurt"}))
		got, _, err := Receive[row](ctx, s)
		require.NoError(t, err)
		require.Equal(t, row{"frankfurt", "frankfurt"}, got)
	}
}
