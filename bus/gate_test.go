package bus

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/layout"
)

// Whoever takes a dead subscriber's record may be stopped at once. So the gate is open before the record has an owner that is alive.
func TestGateOfTheDeadIsOpenBeforeItsRecordIsTaken(t *testing.T) {
	var b *Bus
	if !inChild() {
		b = newBus(t, WithSlots(64))
	}
	kill := child(t, b, func(h *Bus, say func(string)) {
		keep(h.Subscribe("a", Reliable()))
		say("ready")
	})
	owner := func() layout.Owner { return layout.Owner(atomic.LoadUint64(b.seg.sub(0, layout.SubOwner))) }
	living := owner()
	_, vacant := b.vacate(0, b.seg.alive)
	require.False(t, vacant)
	require.Equal(t, uint32(layout.GateClosed), b.ring.Gate(0).State(), "of the living")
	kill()
	before, vacant := b.vacate(0, b.seg.alive)
	require.True(t, vacant)
	require.Equal(t, living, before)
	require.Equal(t, living, owner(), "not taken yet")
	require.Equal(t, uint32(layout.GateOpen), b.ring.Gate(0).State())
	require.Equal(t, 1, subscribe(t, b, "b").index, "a record that is free first")
	n, err := b.Recover()
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, 0, subscribe(t, b, "b").index, "the record is used again")
}
