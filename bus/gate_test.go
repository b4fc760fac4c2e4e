package bus

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/layout"
	"shmbus/sysvsem"
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
	owner := func() layout.Owner { return layout.Owner(atomic.LoadUint64(b.seg.Sub(0, layout.SubOwner))) }
	living := owner()
	_, vacant := b.vacate(0, b.seg.Alive)
	require.False(t, vacant)
	require.Equal(t, uint32(layout.GateClosed), b.ring.Gate(0).State(), "of the living")
	kill()
	before, vacant := b.vacate(0, b.seg.Alive)
	require.True(t, vacant)
	require.Equal(t, living, before)
	require.Equal(t, living, owner(), "not taken yet")
	require.Equal(t, uint32(layout.GateOpen), b.ring.Gate(0).State())
	require.Equal(t, 1, subscribe(t, b, "b").index, "a record that is free first")
	n, err := b.Reap()
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, 0, subscribe(t, b, "b").index, "the record is used again")
}

// A subscriber may close its gate and die after somebody has read that it is its record. That gate, too, is open before the record is taken.
func TestGateThatTheDeadClosedLast(t *testing.T) {
	b := newBus(t, WithSlots(64))
	const s = 0
	word := b.seg.Sub(s, layout.SubOwner)
	dead := layout.MakeOwner(9, 1, layout.OwnerHeld)
	atomic.StoreUint64(word, uint64(dead))
	before, vacant := b.vacate(s, func(layout.Owner) bool {
		b.ring.CloseGate(s)
		return false
	})
	require.True(t, vacant)
	require.Equal(t, dead, before)
	require.Equal(t, uint32(layout.GateOpen), b.ring.Gate(s).State())

	// Somebody else takes the record meanwhile, and closes its own gate.
	later := b.client.owner(layout.OwnerHeld)
	_, vacant = b.vacate(s, func(layout.Owner) bool {
		atomic.StoreUint64(word, uint64(later))
		b.ring.CloseGate(s)
		return false
	})
	require.False(t, vacant)
	require.Equal(t, uint32(layout.GateClosed), b.ring.Gate(s).State(), "of a later owner")
	b.wipeSubscriber(s)
	atomic.StoreUint64(word, 0)
}

// Whoever asks after a client's death whether it is alive is never told that it is, though the next client of the record has joined before the
// answer. A goroutine does to the record what the clients do that join and die in it, one after the other.
func TestTheDeadAreNotTakenForTheirHeirs(t *testing.T) {
	b := newBus(t, WithClients(4))
	seg, c := b.seg, 3
	state := seg.Client(c, layout.ClientStateWord)
	live := func(by int16) {
		require.NoError(t, seg.Set.TryOp([]sysvsem.Op{{Num: layout.SemLive(c), Op: by, Flags: sysvsem.NoWait}}))
	}
	var dead atomic.Uint32
	set := func(generation, st uint32) { atomic.StoreUint64(state, uint64(layout.MakeClientState(generation, st))) }
	set(1, layout.ClientJoined)
	dead.Store(1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for g := uint32(1); g < 60_000; g++ {
			live(layout.LiveJoining)
			set(g, layout.ClientDead)
			live(layout.LiveJoined - layout.LiveJoining)
			set(g+1, layout.ClientJoined)
			live(-layout.LiveJoined)
			dead.Store(g + 1)
		}
	}()
	for alive := seg.Census(); ; {
		o := layout.MakeOwner(c, dead.Load(), layout.OwnerHeld)
		if seg.Alive(o) || alive(o) {
			<-done
			t.Fatalf("client %d, generation %d, was dead when it was asked for", c, o.Generation())
		}
		select {
		case <-done:
			set(60_000, layout.ClientFree)
			return
		default:
		}
	}
}
