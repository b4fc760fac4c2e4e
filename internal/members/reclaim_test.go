//go:build linux

package members

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/internal/segment/segtest"
	"shmbus/layout"
)

// A client that takes a dead subscriber's record may be stopped at once. So the gate is open before
// the record has an owner that is alive.
func TestGateOfTheDeadIsOpenBeforeItsRecordIsTaken(t *testing.T) {
	seg := segtest.New(t)
	m := newMember(t, seg)
	living, kill := another(t, seg, true)
	owner := func() layout.Owner {
		return layout.Owner(atomic.LoadUint64(seg.Sub(0, layout.SubOwner)))
	}
	require.Equal(t, living, owner())
	_, vacant := m.vacate(0, seg.Alive)
	require.False(t, vacant)
	require.Equal(t, uint32(layout.GateClosed), m.ring.Gate(0).State(), "of the living")
	kill()
	before, vacant := m.vacate(0, seg.Alive)
	require.True(t, vacant)
	require.Equal(t, living, before)
	require.Equal(t, living, owner(), "not taken yet")
	require.Equal(t, uint32(layout.GateOpen), m.ring.Gate(0).State())
	take := func() int {
		s, err := m.TakeSubscriber()
		require.NoError(t, err)
		return s
	}
	require.Equal(t, 1, take(), "a record that is free first")
	n, err := m.Reap()
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, 0, take(), "the record is used again")
}

// A subscriber may close its gate and die after somebody has read that the record is its own. That
// gate, too, is open before the record is taken.
func TestGateThatTheDeadClosedLast(t *testing.T) {
	seg := segtest.New(t)
	m := newMember(t, seg)
	const s = 0
	word := seg.Sub(s, layout.SubOwner)
	dead := layout.MakeOwner(9, 1, layout.OwnerHeld)
	atomic.StoreUint64(word, uint64(dead))
	before, vacant := m.vacate(s, func(layout.Owner) bool {
		m.ring.CloseGate(s)
		return false
	})
	require.True(t, vacant)
	require.Equal(t, dead, before)
	require.Equal(t, uint32(layout.GateOpen), m.ring.Gate(s).State())

	// Another client takes the record meanwhile, and closes its own gate.
	_, vacant = m.vacate(s, func(layout.Owner) bool {
		atomic.StoreUint64(word, uint64(m.Owner))
		m.ring.CloseGate(s)
		return false
	})
	require.False(t, vacant)
	require.Equal(t, uint32(layout.GateClosed), m.ring.Gate(s).State(), "of a later owner")
	m.FreeSubscriber(s)
}
