package ring

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/layout"
)

// forward moves a ring, whose head is at the beginning of a lap, on by laps, as other processes
// that publish and certify would.
func forward(t *testing.T, r *Ring, laps uint64) (head uint64) {
	t.Helper()
	head = r.Head()
	require.Zero(t, head%r.Slots())
	head += laps * r.Slots()
	for i := range r.Slots() {
		e := r.load(i)
		p := head - r.Slots() + i
		atomic.StoreUint64(slotPosition(r.slot(e.Slot())), p)
		atomic.StoreUint64(r.entry(i), uint64(layout.MakeEntry(layout.LapOf(p, r.shift), e.Tag(), e.Slot())))
	}
	atomic.StoreUint64(r.word(layout.HeaderCertified), head)
	return head
}

// A publisher or reader that was idle for any number of laps finds the head.
func TestSleepForLaps(t *testing.T) {
	for _, laps := range []uint64{1, 2, 1<<31 - 1, 1 << 31, 1<<31 + 1, 1<<32 - 1, 1 << 32, 1<<32 + 1, 1<<34 + 1<<31} {
		for _, start := range []uint64{0, 1<<35 - 8, 1<<46 - 8} {
			r, err := NewHeap(geometry(8, 2, 2))
			require.NoError(t, err)
			r.FormatAt(start)
			p, err := r.Publisher(0)
			require.NoError(t, err)
			c := r.Reader(FromNow())
			for range 8 {
				p.Rescan()
				require.Equal(t, Done, p.Exchange(8, 0))
			}
			p.Rescan()
			require.False(t, c.Outdated())
			from := c.Next()
			head := forward(t, r, laps)

			require.Equal(t, head, r.Head())
			require.Equal(t, laps > 0, c.Outdated())
			for range 2 {
				st := p.Exchange(8, 0)
				if st == Limit {
					who, _ := p.Rescan()
					require.Equal(t, -1, who)
					st = p.Exchange(8, 0)
				}
				require.Equal(t, Done, st)
			}
			require.Equal(t, head+2, p.Next())
			require.Equal(t, head+2, r.Head())
			require.Equal(t, head+2, atomic.LoadUint64(r.pubWord(0, layout.PubIntent)))
			lost, to := c.Jump()
			require.Equal(t, []uint64{from, head - 6}, []uint64{lost, to})
			require.False(t, c.Outdated())
			require.True(t, r.Audit().Balanced())
		}
	}
}

// A certified position above the head was not written by a correct program: publishers and readers
// ignore it.
func TestCertifiedAboveTheHead(t *testing.T) {
	r, err := NewHeap(geometry(8, 2, 2))
	require.NoError(t, err)
	p, err := r.Publisher(0)
	require.NoError(t, err)
	c := r.Reader(FromNow())
	p.Rescan()
	atomic.StoreUint64(r.word(layout.HeaderCertified), 100)
	require.EqualValues(t, 0, r.Head())
	require.False(t, c.Outdated())
	require.Equal(t, Done, p.Exchange(8, 0))
	_, st := c.Peek()
	require.Equal(t, Done, st)
}
