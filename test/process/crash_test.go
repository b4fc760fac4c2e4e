//go:build linux

package process

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/testload"
)

// Promises 2 and 3: publishers are killed at random instants of a tight loop, hundreds of times,
// out of the run and out of a stop. Others go on meanwhile, all that is received is whole and in
// order, and in the end every slot and every record is there.
func TestPublishersKilledAtRandom(t *testing.T) {
	for _, tt := range []struct {
		name          string
		batch, rounds int
	}{
		{"one by one", 0, 240},
		{"in batches", 20, 120},
		{"in batches larger than the ring", 200, 60},
	} {
		t.Run(tt.name, func(t *testing.T) { killPublishersAtRandom(t, tt.batch, tt.rounds) })
	}
}

func killPublishersAtRandom(t *testing.T, batch, rounds int) {
	const victims = 3
	rnd := newRand(t)
	b := newBus(t, creation{Slots: 64, SlotSize: 64, Publishers: 12})
	reader := job{Role: "subscribe", Bus: busName, Auto: true, Patterns: []string{">"}, Single: true, Min: 16, Max: 48, Batch: batch}
	reliable := reader
	reliable.Policy, reliable.Every = "reliable", true
	survivor := job{Role: "publish", Bus: busName, ID: 9999, Topic: "crash", Auto: true, Min: 16, Max: 48, Wait: bus.Block, Batch: batch}
	subs := startAll(t, reliable, reader)
	others := startAll(t, survivor)[0]

	id := 0
	spawn := func() *worker {
		id++
		return start(t, job{Role: "publish", Bus: busName, ID: id, Topic: "crash", Auto: true, Min: 16, Max: 48, Wait: bus.WaitStrategy(id % 4), Batch: batch})
	}
	var alive [victims]*worker
	for i := range alive {
		alive[i] = spawn()
	}
	for k := range rounds {
		v := alive[k%victims]
		v.expect("ready")
		time.Sleep(time.Duration(rnd.IntN(1500)) * time.Microsecond) // the random moment
		if k%3 == 0 {
			v.stop()
			head := snapshot(t, b).Head
			testload.Eventually(t, "nobody goes on while a publisher is stopped", func() bool { return snapshot(t, b).Head > head+200 })
			if k%2 == 0 {
				v.cont()
				time.Sleep(time.Duration(rnd.IntN(500)) * time.Microsecond)
			}
		}
		v.killKeeping()
		alive[k%victims] = spawn()
		subs[0].faultless()
		subs[1].faultless()
	}
	for _, v := range alive {
		v.expect("ready")
		v.killKeeping()
	}
	head := snapshot(t, b).Head
	testload.Eventually(t, "the survivor does not go on", func() bool { return snapshot(t, b).Head > head+1000 })
	others.tell("stop")
	published := others.expect("done").Count
	finish(t, b)
	r := subs[0].expect("end")
	require.Equal(t, published, r.Seqs[9999])
	require.Equal(t, snapshot(t, b).Head, r.Received)
	lossy := subs[1].expect("end")
	require.Equal(t, r.Position, lossy.Received+lossy.Lost)
	others.exit()
	balance(t, b)
	snap := snapshot(t, b)
	require.Equal(t, uint64(rounds+victims), snap.Deaths)
	t.Logf("%d publishers killed, %d messages, %d records reclaimed; the lossy subscriber lost %d", snap.Deaths, snap.Head, snap.Reclaimed, lossy.Lost)

	// And with all its records and slots the bus works as on its first day.
	var feeds []*feed
	for i := range b.Sizes().Publishers {
		feeds = append(feeds, newFeed(t, b, "crash", 20_000+i, 48))
	}
	ctx := deadline(t)
	for range 500 {
		for _, f := range feeds {
			testload.Fill(f.buf, stamp(f.job.ID, f.next))
			f.buf = f.buf[:testload.Size(uint32(f.job.ID), f.next, 16, 48)]
			f.publish(ctx, 1)
		}
	}
	require.NoError(t, feeds[0].p.Close())
	finish(t, b)
	r = subs[0].expect("end")
	for _, f := range feeds {
		require.Equal(t, f.next, r.Seqs[uint32(f.job.ID)])
	}
}

// Publishers that are stopped and continued at random hold nobody up and lose nothing themselves.
func TestPublishersStoppedAtRandom(t *testing.T) {
	const rounds, publishers = 200, 3
	rnd := newRand(t)
	b := newBus(t, creation{Slots: 64, SlotSize: 64, Publishers: 12})
	sub := startAll(t, job{Role: "subscribe", Bus: busName, Auto: true, Patterns: []string{">"}, Policy: "reliable", Single: true, Every: true, Min: 16, Max: 48})[0]
	var jobs []job
	for i := range publishers {
		jobs = append(jobs, job{Role: "publish", Bus: busName, ID: i, Topic: "stop", Auto: true, Min: 16, Max: 48, Wait: bus.WaitStrategy(i), Batch: 10 * i})
	}
	pubs := startAll(t, jobs...)
	for k := range rounds {
		// All but one are stopped, each somewhere.
		for i, p := range pubs {
			if i != k%publishers {
				p.stop()
			}
		}
		head := snapshot(t, b).Head
		testload.Eventually(t, "the only publisher that is not stopped does not go on", func() bool { return snapshot(t, b).Head > head+uint64(rnd.IntN(300)) })
		for i, p := range pubs {
			if i != k%publishers {
				p.cont()
			}
		}
		time.Sleep(time.Duration(rnd.IntN(500)) * time.Microsecond)
		sub.faultless()
	}
	tellAll(pubs, "stop")
	seqs := map[uint32]uint64{}
	for _, p := range pubs {
		seqs[uint32(p.job.ID)] = p.expect("done").Count
	}
	finish(t, b)
	r := sub.expect("end")
	require.Equal(t, seqs, r.Seqs)
	for _, p := range pubs {
		p.exit()
	}
	balance(t, b)
}
