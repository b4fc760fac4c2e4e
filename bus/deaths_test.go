package bus

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/layout"
)

// A death makes those look again to whom anybody may owe a wake-up, whoever has died: who was to pay it may have been stopped. Here that is
// who has taken the record of a publisher that published and woke nobody.
func TestDeathWakesWhomTheStoppedOwe(t *testing.T) {
	var b *Bus
	if !inChild() {
		b = newBus(t, WithSlots(64))
	}
	kill := child(t, b, func(_ *Bus, say func(string)) { say("ready") })
	ctx := soon(t)
	sleeps, stopped := reopen(t, b), reopen(t, b)
	p := publisher(t, stopped, "a")
	s := subscribe(t, sleeps, "a", Wait(Block))
	got := make(chan error)
	go func() { _, err := s.Next(ctx); got <- err }()
	eventually(t, "asleep", soundAsleep(t, sleeps))
	p.ring.Fill(0, []byte{1})
	p.ring.Rescan()
	require.Zero(t, p.ring.Exchange(p.whole+1, p.tag))
	require.True(t, soundAsleep(t, sleeps)(), "nobody woke it")
	kill()
	require.NoError(t, <-got)
}

// Whoever joins while somebody looks for the dead is not one of them, though it was nobody when the kernel was asked first.
func TestNobodyIsBuriedAlive(t *testing.T) {
	b := newBus(t, WithSlots(64))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 1500 {
			h, err := OpenKey(b.Key())
			if err != nil {
				t.Error(err)
				return
			}
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		}
	}()
	for {
		select {
		case <-done:
			snap, err := b.Snapshot()
			require.NoError(t, err)
			require.Zero(t, snap.Deaths)
			return
		default:
			lives, err := b.seg.Set.GetAll()
			require.NoError(t, err)
			require.Zero(t, b.buryTheDead(lives))
		}
	}
}

// A record is that of one client, and not of the next who takes that client's record.
func TestAliveIsOfOneGeneration(t *testing.T) {
	b := newBus(t, WithSlots(64))
	me := b.client
	require.True(t, b.seg.Alive(me.owner(layout.OwnerHeld)))
	require.False(t, b.seg.Alive(layout.MakeOwner(me.index, me.generation-1, layout.OwnerHeld)))
	require.False(t, b.seg.Alive(layout.MakeOwner(me.index, me.generation+1, layout.OwnerHeld)))
	require.False(t, b.seg.Alive(0), "nobody")
}

// Whoever listens is told of each death once, however often it looks.
func TestEachDeathIsReportedOnce(t *testing.T) {
	stay := func(_ *Bus, say func(string)) { say("ready") }
	if inChild() {
		child(t, nil, stay)
	}
	b := newBus(t, WithSlots(64))
	var died []Death
	listener := b.newObituary(func(d Death) { died = append(died, d) })
	for n := range 3 {
		child(t, b, stay)()
		for range 3 {
			lives, err := b.seg.Set.GetAll()
			require.NoError(t, err)
			b.clearTheDead(listener, lives)
			require.Len(t, died, n+1)
		}
	}
}
