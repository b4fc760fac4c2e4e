package bus

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/layout"
)

// part returns fragment number i of n of a frame of 8*n bytes, each with the given mark.
func part(i, n int, mark byte) (layout.FrameInfo, []byte) {
	b := binary.LittleEndian.AppendUint64(nil, uint64(i)<<32|uint64(8*n))
	for range 8 {
		b = append(b, mark)
	}
	var flags uint8
	if i == 0 {
		flags |= layout.FlagFirst
	}
	if i == n-1 {
		flags |= layout.FlagLast
	}
	return layout.MakeFrameInfo(len(b), flags, 3, 0), b
}

// The beginning of one frame and the end of another one of the same size are no message, whatever
// was lost in between.
func TestFramesOfTheSameSizeAreNotMixed(t *testing.T) {
	for _, tt := range []struct {
		name  string
		seen  int    // fragments of the first frame, of three
		lost  uint64 // positions
		owed  uint64 // once the last fragment of the second frame is there, the one before lost too
		joins bool   // the last fragment of the first frame can still complete it
	}{
		{"the rest of one, the beginning of the other", 2, 3, 3, false},
		{"one frame and a half, and much else", 2, 100, 3, false},
		{"the beginning of the other, the first was given up", 2, 2, 3, false},
		{"too little for that", 2, 1, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCollector(1 << 10)
			for i := range tt.seen {
				info, b := part(i, 3, 'a')
				a, owed := addFragment(&c, uint64(i), info, b)
				require.Nil(t, a)
				require.Zero(t, owed)
			}
			c.lost(tt.lost)
			info, b := part(2, 3, 'b')
			a, owed := addFragment(&c, 2+tt.lost, info, b)
			require.Equal(t, tt.joins, a != nil)
			require.Equal(t, tt.owed, owed.count)
		})
	}
}

// Losses add up: of two small ones together a frame may have begun.
func TestFramesAreNotMixedAfterSeveralLosses(t *testing.T) {
	c := newCollector(1 << 10)
	for i := range 2 {
		info, b := part(i, 3, 'a')
		addFragment(&c, uint64(i), info, b)
	}
	c.lost(1)
	require.Equal(t, 1, c.open)
	c.lost(1)
	require.Zero(t, c.open)
	info, b := part(2, 3, 'b')
	a, owed := addFragment(&c, 4, info, b)
	require.Nil(t, a)
	require.Equal(t, debt{from: 0, count: 3}, owed)
}

// What a frame says of itself bounds what is kept of it, whatever its fragments bring.
func TestFrameLongerThanItSays(t *testing.T) {
	c := newCollector(1 << 10)
	for _, tt := range []struct {
		name  string
		total uint32
		sizes []int // of the fragments
		most  int   // bytes kept
		whole bool
	}{
		{"as it says", 24, []int{8, 8, 8}, 24, true},
		{"one byte more", 24, []int{8, 8, 9}, 24, false},
		{"more and more", 24, []int{8, 8, 8, 8, 8, 8}, 24, false},
		{"less", 24, []int{8, 8, 7}, 24, false},
		{"the first alone", 4, []int{8, 8}, 8, false},
		{"more than a bus takes", 1<<10 + 1, []int{512, 512, 1}, 0, false},
		{"as much as 32 bits say", 1<<32 - 1, []int{8, 8}, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var whole *assembly
			for i, n := range tt.sizes {
				b := binary.LittleEndian.AppendUint64(nil, uint64(i)<<32|uint64(tt.total))
				var flags uint8
				if i == 0 {
					flags |= layout.FlagFirst
				}
				if i == len(tt.sizes)-1 {
					flags |= layout.FlagLast
				}
				whole, _ = addFragment(&c, uint64(i), layout.MakeFrameInfo(8+n, flags, 3, 0), append(b, make([]byte, n)...))
				if a := c.unfinished(3); a != nil {
					require.LessOrEqual(t, len(a.buf), tt.most)
				}
			}
			require.Equal(t, tt.whole, whole != nil)
			require.Zero(t, c.open)
		})
	}
}

// addFragment adds a fragment as a subscription does.
func addFragment(c *collector, position uint64, info layout.FrameInfo, payload []byte) (*assembly, debt) {
	prefix := binary.LittleEndian.Uint64(payload)
	data := c.room(info, prefix, len(payload)-layout.FragmentPrefix)
	copy(data, payload[layout.FragmentPrefix:])
	return c.add(position, info, prefix, data)
}
