//go:build linux

package process

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/testload"
)

// Promise 6: no wake-up is lost. Two processes that sleep at once when there is nothing answer each
// other; one lost wake-up ends it.
func TestPingPong(t *testing.T) {
	const rounds = 20_000
	b := newBus(t, creation{Slots: 64, SlotSize: 64})
	startAll(t, job{Role: "echo", Bus: busName, Patterns: []string{"ping"}, Wait: bus.Block})
	s, err := b.Subscribe("pong", bus.Wait(bus.Block), bus.Reliable())
	require.NoError(t, err)
	p, err := b.Publisher("ping", bus.Wait(bus.Block))
	require.NoError(t, err)
	ctx := deadline(t)
	buf := make([]byte, 16)
	began := time.Now()
	for i := range uint64(rounds) {
		testload.Fill(buf, stamp(1, i))
		require.NoError(t, p.PublishRaw(ctx, buf))
		m, err := s.Next(ctx)
		require.NoError(t, err, "round %d", i)
		seq, _, err := testload.Number(m.Raw, 1)
		require.NoError(t, err)
		require.Equal(t, i, seq)
	}
	took := time.Since(began)
	snap := snapshot(t, b)
	require.Greater(t, snap.Posts, uint64(rounds/2), "hardly anybody slept")
	require.Less(t, snap.Posts, uint64(3*rounds))
	t.Logf("%v for a round, %d posts", took/rounds, snap.Posts)
}

// A message whose publisher is killed right behind publishing it reaches who sleeps.
func TestKilledRightAfterPublishing(t *testing.T) {
	const rounds, side = 200, 4
	b := newBus(t, creation{Slots: 64, SlotSize: 64, Publishers: 8})
	subs := startAll(t,
		job{Role: "subscribe", Bus: busName, Auto: true, Patterns: []string{"once.>", endTopic}, Policy: "reliable", Every: true, Wait: bus.Block},
		job{Role: "subscribe", Bus: busName, Auto: true, Patterns: []string{"once.>", endTopic}, Every: true, Wait: bus.Adaptive})
	s, err := b.Subscribe("once.>", bus.Reliable(), bus.Wait(bus.Block))
	require.NoError(t, err)
	ctx := deadline(t)
	for round := 0; round < rounds; round += side {
		var ws []*worker
		for i := range side {
			ws = append(ws, start(t, job{Role: "once", Bus: busName, ID: round + i, Topic: "once", Min: 40}))
		}
		for _, w := range ws {
			w.expect("ready")
			got := make(chan error, 1)
			go func() {
				m, err := s.Next(ctx)
				if err == nil {
					_, _, err = testload.Number(m.Raw, uint32(w.job.ID))
				}
				got <- err
			}()
			awaitAsleep(t, b, 3)
			w.tell("go")
			require.NoError(t, <-got)
			w.killKeeping()
		}
	}
	finish(t, b)
	for _, w := range subs {
		r := w.expect("end")
		require.Equal(t, uint64(rounds+1), r.Received)
	}
	balance(t, b)
}
