//go:build linux

package process

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/testload"
)

// Promise 7: late joiners start where they choose.
func TestLateJoiners(t *testing.T) {
	const slots, published = 128, 1000
	b := newBus(t, creation{Slots: slots, SlotSize: 64})
	f := newFeed(t, b, "join", 1, 32)
	ctx := deadline(t)
	f.publish(ctx, published)
	reader := func(from, policy string) job {
		return job{Role: "subscribe", Bus: busName, Auto: true, Patterns: []string{">"}, From: from, Policy: policy, Single: true}
	}
	const held = published - 50
	tests := []struct {
		name                  string
		j                     job
		start, received, lost uint64
	}{
		{name: "now", j: reader("", ""), start: published, received: 11},
		{name: "now, reliable", j: reader("", "reliable"), start: published, received: 11},
		{name: "oldest", j: reader("oldest", ""), start: published - slots, received: slots + 11},
		{name: "oldest, reliable", j: reader("oldest", "reliable"), start: published - slots, received: slots + 11},
		{name: "a position held", j: reader(strconv.Itoa(held), ""), start: held, received: 61},
		{name: "a position held, reliable", j: reader(strconv.Itoa(held), "reliable"), start: held, received: 61},
		{name: "a position overwritten", j: reader("10", ""), start: 10, received: slots + 11, lost: published - slots - 10},
		{name: "the next position", j: reader(strconv.Itoa(published), ""), start: published, received: 11},
	}
	var ws []*worker
	for _, tt := range tests {
		w := start(t, tt.j)
		require.Equal(t, tt.start, w.expect("ready").Position, tt.name)
		if tt.lost > 0 || tt.start < published {
			// What it asked for is still there while it reads.
			testload.Eventually(t, "%s does not catch up", func() bool {
				for _, s := range snapshot(t, b).Subscribers {
					if s.Pid == w.PID() {
						return s.Position == published
					}
				}
				return false
			}, tt.name)
		}
		ws = append(ws, w)
	}
	f.publish(ctx, 10)
	finish(t, b)
	for i, tt := range tests {
		r := ws[i].expect("end")
		require.Equal(t, tt.received, r.Received, tt.name)
		require.Equal(t, tt.lost, r.Lost, tt.name)
		require.Equal(t, uint64(published+10), r.Seqs[1], tt.name)
		ws[i].exit()
	}
	_, err := b.Subscribe(">", bus.FromPosition(published+12))
	require.ErrorContains(t, err, "not published yet")
}

// Reliable subscribers that join in the middle of a flood miss nothing from where they joined, and
// start at the head.
func TestJoinUnderLoad(t *testing.T) {
	const joiners = 40
	b := newBus(t, creation{Slots: 64, SlotSize: 64})
	pubs := startAll(t,
		job{Role: "publish", Bus: busName, ID: 1, Topic: "flood", Auto: true, Min: 16, Max: 48},
		job{Role: "publish", Bus: busName, ID: 2, Topic: "flood", Auto: true, Min: 16, Max: 48})
	for i := range joiners {
		head := snapshot(t, b).Head
		w := start(t, job{Role: "subscribe", Bus: busName, ID: i, Auto: true, Patterns: []string{">"}, Policy: "reliable", Single: true, Min: 16, Max: 48})
		require.GreaterOrEqual(t, w.expect("ready").Position, head)
		testload.Eventually(t, "%s receives nothing", func() bool {
			for _, s := range snapshot(t, b).Subscribers {
				if s.Pid == w.PID() {
					return s.Received > 1000
				}
			}
			return false
		}, w)
		if i%2 == 0 {
			w.exit()
		} else {
			w.killKeeping()
		}
	}
	for _, p := range pubs {
		p.faultless()
		p.tell("stop")
		p.expect("done")
		p.exit()
	}
	balance(t, b)
}
