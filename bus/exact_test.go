package bus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Who insists on sizes gets them or an error that names both; who does not gets the bus as it is,
// and learns at its limits what the bus has.
func TestExactSizes(t *testing.T) {
	dir := WithDir(t.TempDir())
	made, created, err := OpenOrCreate("x", dir, WithExactSizes(), WithSlots(128), WithPublishers(2), WithSubscribers(60), WithMaxFrame(1<<10))
	require.NoError(t, err)
	require.True(t, created)
	defer Remove("x", dir)
	defer made.Close()

	for name, opts := range map[string][]Option{
		"none asked for":   nil,
		"the same":         {WithSlots(128), WithPublishers(2), WithMaxFrame(1 << 10)},
		"rounded the same": {WithSubscribers(33)},
	} {
		b, created, err := OpenOrCreate("x", append(opts, dir, WithExactSizes())...)
		require.NoError(t, err, name)
		require.False(t, created)
		require.NoError(t, b.Close())
	}
	_, _, err = OpenOrCreate("x", dir, WithExactSizes(), WithSlots(128), WithPublishers(512), WithClients(7))
	require.ErrorIs(t, err, ErrSizes)
	var sizes *SizesError
	require.ErrorAs(t, err, &sizes)
	require.Equal(t, []SizeDifference{{"publishers", 512, 2}, {"clients", 7, made.seg.Map.Geometry.Clients}}, sizes.Differences)
	require.ErrorContains(t, err, "publishers 2 instead of 512")
	_, err = Open("x", dir, WithExactSizes(), WithSlotSize(512))
	require.ErrorContains(t, err, "slot-size 256 instead of 512")

	b, created, err := OpenOrCreate("x", dir, WithPublishers(512))
	require.NoError(t, err)
	require.False(t, created)
	for range 2 {
		publisher(t, b, "a", Exclusive())
	}
	_, err = b.Publisher("a", Exclusive())
	var full *TableFullError
	require.ErrorAs(t, err, &full)
	require.Equal(t, TableFullError{Table: "publishers", Size: 2, Asked: 512, Option: "busd --publishers or WithPublishers"}, *full)
	require.ErrorContains(t, err, "all 2 publishers of the bus are in use (it existed with that number when this handle asked for 512)")
	require.ErrorContains(t, err, "remove the bus (busd rm)")
	require.NoError(t, b.Close())
}
