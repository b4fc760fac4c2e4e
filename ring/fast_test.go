package ring

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/layout"
)

// A publisher that has lost a race still owns the slot that it filled, and settles its pair before
// it pauses: if it dies in the pause, its heir needs no evidence.
func TestLostRaceSettlesItsPair(t *testing.T) {
	r := newRing(t, benchGeometry(48, 2))
	p, q := openPublisher(t, r, 0), openPublisher(t, r, 1)
	benchPublish(p, []byte{1}) // both have room
	benchPublish(q, []byte{1})
	p.CatchUp()
	s, l := p.NextSlot(), p.Load()
	s.PutHeader(layout.MakeFrameInfo(1, layout.FlagWhole, 0, 0))
	require.True(t, p.Usable(l))
	benchPublish(q, []byte{1}) // the faster one
	p.Announce(s, l)
	require.False(t, p.CompareAndSwap(s, l, layout.MakeEntry(0, 0, 0)))
	pair := func() layout.Pair { return layout.Pair(atomic.LoadUint64(s.own.pair)) }
	require.False(t, pair().IsSettled())
	p.LostRace()
	require.True(t, pair().IsSettled())
	require.Equal(t, s.number, pair().Mine())
	require.True(t, r.Audit().Balanced())
}
