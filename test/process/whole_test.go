//go:build linux

package process

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
)

const largest = 300_000

func mixedSizes(j job) job {
	j.Bus, j.Min, j.Max = busName, 1, largest
	return j
}

// Promise 2: frames of all sizes arrive as they were sent, also in a ring of which the largest
// takes nearly half.
func TestWholeFrames(t *testing.T) {
	const publishers, each = 2, 600
	for _, tt := range []struct {
		name  string
		slots int
		wait  bus.WaitStrategy
	}{
		{"a ring of two frames", 4096, bus.Block},
		{"a ring of many frames", 32768, bus.Adaptive},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBus(t, creation{Slots: tt.slots, SlotSize: 256})
			reader := mixedSizes(job{Role: "subscribe", Auto: true, Patterns: []string{">"}, Policy: "reliable", Every: true, Wait: tt.wait})
			subs := startAll(t, reader, reader)
			var jobs []job
			for i := range publishers {
				jobs = append(jobs, mixedSizes(job{Role: "publish", ID: i, Topic: "whole", Count: each}))
			}
			pubs := startAll(t, jobs...)
			tellAll(pubs, "go")
			for _, p := range pubs {
				p.expect("done")
			}
			finish(t, b)
			for _, s := range subs {
				r := s.expect("end")
				require.Equal(t, uint64(publishers*each+1), r.Received)
				require.Equal(t, map[uint32]uint64{0: each, 1: each}, r.Seqs)
			}
		})
	}
}

// A subscriber that sleeps when a large frame begins receives it whole.
func TestWholeFrameToSleeper(t *testing.T) {
	b := newBus(t, creation{Slots: 64, SlotSize: 64})
	s := start(t, job{Role: "subscribe", Bus: busName, Auto: true, Patterns: []string{"large.>", endTopic}, Policy: "reliable",
		Every: true, Wait: bus.Block})
	s.expect("ready")
	other := newFeed(t, b, "small", 1, 16)
	ctx := deadline(t)
	for i, size := range []int{16, 60, 100, 300, 600, 900, 1200, 32*40 - 8} {
		f := newFeed(t, b, "large", 10+i, size)
		for range 5 {
			other.publish(ctx, 7) // so that the frame begins anywhere in the lap
			awaitAsleep(t, b, 1)
			f.publish(ctx, 1)
			finish(t, b)
			r := s.expect("end")
			require.Equal(t, f.next, r.Seqs[uint32(10+i)], "frame of %d bytes, after %d of them", size, f.next-1)
		}
		require.NoError(t, f.p.Close())
	}
}

// Promise 2: a publisher that is killed at any moment leaves no torn frame and no part of one, and
// delays nobody.
func TestWholeFramesFromTheKilled(t *testing.T) {
	const victims, kills = 2, 60
	rnd := newRand(t)
	b := newBus(t, creation{Slots: 4096, SlotSize: 256, Publishers: 8})
	reliable := mixedSizes(job{Role: "subscribe", Auto: true, Patterns: []string{">"}, Policy: "reliable", Every: true})
	lossy := mixedSizes(job{Role: "subscribe", Auto: true, Patterns: []string{">"}})
	subs := startAll(t, reliable, lossy)
	survivor := start(t, mixedSizes(job{Role: "publish", ID: 999, Topic: "whole", Auto: true, Pace: time.Millisecond}))
	survivor.expect("ready")

	id := 0
	spawn := func() *worker {
		id++
		return start(t, mixedSizes(job{Role: "publish", ID: id, Topic: "whole", Auto: true}))
	}
	var alive [victims]*worker
	for i := range alive {
		alive[i] = spawn()
	}
	for k := range kills {
		v := alive[k%victims]
		v.expect("ready")
		time.Sleep(time.Duration(rnd.IntN(8000)) * time.Microsecond) // the random moment
		v.killKeeping()
		alive[k%victims] = spawn()
		for _, s := range subs {
			s.faultless()
		}
	}
	for _, v := range alive {
		v.expect("ready")
		v.killKeeping()
	}
	survivor.tell("stop")
	published := survivor.expect("done").Count
	finish(t, b)
	r := subs[0].expect("end")
	require.Equal(t, published, r.Seqs[999])
	require.Greater(t, len(r.Seqs), kills/2, "most of the killed had published something")
	lost := subs[1].expect("end")
	t.Logf("%d killed, %d frames received; the lossy subscriber received %d and lost %d positions", kills+victims, r.Received, lost.Received, lost.Lost)
	survivor.exit()
	balance(t, b)
}
