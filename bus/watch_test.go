package bus

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Who joins, leaves and dies is told once, in this order, by name and pid, beginning with those who
// are there.
func TestWatchClients(t *testing.T) {
	var b *Bus
	if !inChild() {
		b = newBus(t, WithSlots(64), WithClientName("first"))
	}
	kill := child(t, b, func(h *Bus, say func(string)) { say("ready") })
	ctx, cancel := context.WithCancel(soon(t))
	events := make(chan ClientEvent, 100)
	ended := make(chan error)
	go func() { ended <- b.WatchClients(ctx, func(e ClientEvent) { events <- e }) }()
	next := func(kind ClientEventKind, name string) ClientEvent {
		t.Helper()
		select {
		case e := <-events:
			assert.WithinDuration(t, time.Now(), e.At, patience())
			require.Equal(t, kind, e.Kind, "%v", e)
			if name != "" {
				require.Equal(t, name, e.Name)
			}
			return e
		case <-time.After(patience()):
			t.Fatal("no event")
		}
		return ClientEvent{}
	}
	first := next(Joined, "first")
	assert.Equal(t, os.Getpid(), first.Pid)
	assert.False(t, first.Daemon)
	other := next(Joined, "")
	assert.NotEqual(t, os.Getpid(), other.Pid)

	h, err := OpenKey(b.Key(), WithClientName("guest"), WithDaemon())
	require.NoError(t, err)
	guest := next(Joined, "guest")
	assert.True(t, guest.Daemon)
	assert.NotContains(t, []int{first.Client, other.Client}, guest.Client)
	require.NoError(t, h.Close())
	assert.Equal(t, guest.Client, next(Left, "guest").Client)

	kill()
	dead := next(Died, "")
	assert.Equal(t, other.Client, dead.Client)
	assert.Equal(t, other.Pid, dead.Pid)
	st, err := b.Snapshot()
	require.NoError(t, err)
	assert.Len(t, st.Clients, 1)

	cancel()
	assert.ErrorIs(t, <-ended, context.Canceled)
	assert.Empty(t, events)
}

// A record that another client has by the next look tells how the one before went.
func TestWatchClientsBetweenTwoLooks(t *testing.T) {
	var b *Bus
	if !inChild() {
		b = newBus(t, WithSlots(64), WithClients(2))
	}
	kill := child(t, b, func(h *Bus, say func(string)) { say("ready") })
	seen, events := make(roll), []ClientEventKind(nil)
	look := func() []ClientEventKind {
		events = nil
		seen.call(b.seg, func(e ClientEvent) { events = append(events, e.Kind) })
		return events
	}
	assert.Equal(t, []ClientEventKind{Joined, Joined}, look())
	assert.Empty(t, look())
	kill()
	for _, went := range []ClientEventKind{Died, Left, Left} { // there are two records: it is the same each time
		var h *Bus
		eventually(t, "a record is free", func() (ok bool) {
			var err error
			h, err = OpenKey(b.Key())
			return err == nil
		})
		assert.Equal(t, []ClientEventKind{went, Joined}, look())
		require.NoError(t, h.Close())
	}
	assert.Equal(t, []ClientEventKind{Left}, look())
}

// Watching ends with the handle and with the bus, and a callback that panics leaves nothing behind.
func TestWatchClientsEnds(t *testing.T) {
	b := newBus(t)
	h := reopen(t, b)
	assert.ErrorIs(t, b.WatchClients(soon(t), nil), ErrInvalid)
	ended, begun := make(chan error), make(chan struct{}, 10)
	watch := func() { ended <- h.WatchClients(soon(t), func(ClientEvent) { begun <- struct{}{} }) }
	go watch()
	<-begun
	h.Close()
	assert.ErrorIs(t, <-ended, ErrClosed)
	assert.PanicsWithValue(t, "odd", func() { _ = b.WatchClients(soon(t), func(ClientEvent) { panic("odd") }) })
	ctx, stop := context.WithCancel(soon(t))
	stop()
	assert.ErrorIs(t, b.WatchClients(ctx, func(ClientEvent) {}), context.Canceled)
	assert.Equal(t, "died", Died.String())
	assert.Equal(t, "ClientEventKind(7)", ClientEventKind(7).String())
}

func TestWatchClientsOfARemovedBus(t *testing.T) {
	dir := WithDir(t.TempDir())
	b, err := Create("gone", dir)
	require.NoError(t, err)
	defer b.Close()
	begun, ended := make(chan struct{}, 1), make(chan error)
	go func() { ended <- b.WatchClients(soon(t), func(ClientEvent) { begun <- struct{}{} }) }()
	<-begun
	require.NoError(t, Remove("gone", dir))
	assert.ErrorIs(t, <-ended, ErrRemoved)
}
