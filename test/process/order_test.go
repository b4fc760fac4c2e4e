//go:build linux

package process

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
)

// Promise 1: every subscriber sees the same messages in the same order, and those of one publisher
// in the order in which it published them.
func TestOneOrder(t *testing.T) {
	const publishers, subscribers, each = 3, 3, 67_000
	b := newBus(t, creation{Slots: 1024, SlotSize: 128})
	var jobs []job
	for i := range subscribers {
		jobs = append(jobs, job{Role: "subscribe", Bus: busName, ID: i, Auto: true, Patterns: []string{">"}, Policy: "reliable",
			Min: 16, Max: 112, Single: true, Every: true})
	}
	subs := startAll(t, jobs...)
	jobs = nil
	for i := range publishers {
		jobs = append(jobs, job{Role: "publish", Bus: busName, ID: i, Topic: "order", Count: each, Min: 16, Max: 112, Wait: bus.WaitStrategy(i % 3)})
	}
	pubs := startAll(t, jobs...)
	tellAll(pubs, "go")
	for _, p := range pubs {
		require.Equal(t, uint64(each), p.expect("done").Count)
	}
	finish(t, b)
	first := subs[0].expect("end")
	require.Equal(t, uint64(publishers*each+1), first.Received)
	require.Equal(t, map[uint32]uint64{0: each, 1: each, 2: each}, first.Seqs)
	for _, s := range subs[1:] {
		require.Equal(t, first, s.expect("end"), "%s", s)
	}
	for _, w := range append(pubs, subs...) {
		w.exit()
	}
	balance(t, b)
}
