//go:build linux

package bus

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/layout"
	"shmbus/sysvsem"
)

func bell(t testing.TB, b *Bus) int {
	t.Helper()
	v, err := b.seg.Set.GetVal(layout.SemBell)
	require.NoError(t, err)
	return v
}

// Leaving rings the bell for nobody.
func TestLeavingIsNoDeath(t *testing.T) {
	b := newBus(t)
	before := bell(t, b)
	for range 3 {
		h, err := OpenKey(b.Key())
		require.NoError(t, err)
		p, s := publisher(t, h, "a"), subscribe(t, h, "a", Reliable())
		require.NoError(t, p.PublishRaw(soon(t), []byte{1}))
		_, err = s.Next(soon(t))
		require.NoError(t, err)
		require.NoError(t, h.Close())
	}
	require.Equal(t, before, bell(t, b))
	snap, err := b.Snapshot()
	require.NoError(t, err)
	require.Zero(t, snap.Deaths)
}

// A host program that ignores SIGURG, by which a wait in the kernel is ended, hears the bell, and
// can end its waits.
func TestBellWithoutItsSignal(t *testing.T) {
	for _, late := range []bool{false, true} { // from the beginning, or from when the listener waits already
		var b *Bus
		if !inChild() {
			b = newBus(t, WithSlots(64))
		}
		name := "SHMBUS_TEST_LATE"
		if late {
			t.Setenv(name, "1")
		}
		late := os.Getenv(name) != ""
		// A second process that is killed while the first listens.
		child(t, b, func(h *Bus, say func(string)) {
			if !late {
				signal.Ignore(syscall.SIGURG)
			}
			ctx, end := context.WithCancel(context.Background())
			defer end()
			heard, ended := make(chan Death, 1), make(chan error, 1)
			go func() { ended <- h.WatchDeaths(ctx, func(d Death) { heard <- d }) }()
			for n := 0; late && n == 0; {
				n, _ = h.seg.Set.GetNCnt(layout.SemBell)
			}
			if late {
				signal.Ignore(syscall.SIGURG)
			}
			time.Sleep(20 * time.Millisecond)
			// Somebody dies.
			c := h.seg.Map.Geometry.Clients - 1
			next := layout.MakeClientState(h.seg.ClientState(c).Generation()+1, layout.ClientJoined)
			atomic.StoreUint64(h.seg.Client(c, layout.ClientStateWord), uint64(next))
			h.seg.RaiseHigh(layout.HeaderClientHigh, c)
			h.seg.Set.TryOp([]sysvsem.Op{{Num: layout.SemBell, Op: 1}})
			select {
			case d := <-heard:
				if d.Client != c {
					say("the wrong one died")
				}
			case <-time.After(10 * time.Second):
				say("no death was heard")
			}
			end()
			select {
			case err := <-ended:
				if !errors.Is(err, context.Canceled) {
					say("watching ended with " + err.Error())
				}
			case <-time.After(10 * time.Second):
				say("watching did not end")
			}
			say("ready")
		})
	}
}

// Where the bell cannot be heard the handle says so, instead of sleeping through wake-ups that the
// dead owe.
func TestHandleThatCannotHear(t *testing.T) {
	b := newBus(t, WithSlots(64))
	s := subscribe(t, b, "a", Wait(Block))
	got := make(chan error, 1)
	go func() { _, err := s.Next(soon(t)); got <- err }()
	eventually(t, "asleep", asleep(t, b, 1))
	why := errors.New("no ears")
	b.member.Parker.Fail(why)
	require.ErrorIs(t, <-got, why)
	_, err := s.Next(soon(t))
	require.ErrorIs(t, err, why)
	_, err = s.TryNext()
	require.ErrorIs(t, err, ErrEmpty, "what needs no sleep goes on")
}

// Somebody dies between its exchange and its wake-up, and whoever noted the death is stopped before
// it has cleared anything: those who listen wake their own sleepers, and only those to whom
// something may be owed.
func TestDeathWakesWhomItOwes(t *testing.T) {
	var b *Bus
	var wanted, other *Subscription
	got := make(chan error, 1)
	if !inChild() {
		b = newBus(t, WithSlots(64))
		wanted, other = subscribe(t, b, "a", Wait(Block)), subscribe(t, b, "b", Wait(Block))
		publisher(t, b, "a").Close() // so that the child wakes nobody for its topic's sake
		publisher(t, b, "b").Close()
		go func() { _, err := wanted.Next(soon(t)); got <- err }()
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		go other.Next(ctx)
		eventually(t, "asleep", asleep(t, b, 2))
		eventually(t, "the handle listens", func() bool {
			n, err := b.seg.Set.GetNCnt(layout.SemBell)
			require.NoError(t, err)
			return n == 1
		})
	}
	kill := child(t, b, func(h *Bus, say func(string)) {
		p, err := h.Publisher("a")
		if err != nil {
			say(err.Error())
		}
		p.ring.Fill(0, []byte{1})
		p.ring.Rescan()
		if st := p.ring.Exchange(p.whole+1, p.tag); st != 0 {
			say("not published")
		}
		say("ready")
		select {}
	})
	eventually(t, "still asleep", asleep(t, b, 2))
	sleeps := atomic.LoadUint64(b.seg.Sub(other.index, layout.SubSleeps))
	snap, err := b.Snapshot()
	require.NoError(t, err)
	dead := snap.Publishers[0].Client
	// Another client has marked it dead already, and is stopped before it goes on.
	marked := layout.MakeClientState(b.seg.ClientState(dead).Generation(), layout.ClientDead)
	atomic.StoreUint64(b.seg.Client(dead, layout.ClientStateWord), uint64(marked))
	kill()
	require.NoError(t, within(t, got))
	require.Equal(t, sleeps, atomic.LoadUint64(b.seg.Sub(other.index, layout.SubSleeps)), "to whom nothing is owed sleeps on")
	require.True(t, asleep(t, b, 1)())
}
