package bus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A death makes those look again to whom anybody may owe a wake-up, whoever has died: who was to
// pay it may have been stopped. Here that is who has taken the record of a publisher that published
// and woke nobody.
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
