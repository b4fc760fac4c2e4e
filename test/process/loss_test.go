//go:build linux

package process

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/testload"
)

func lossyReader(most int, wait bus.WaitStrategy) job {
	return job{Role: "subscribe", Bus: busName, Auto: true, Patterns: []string{">"}, Single: true, Min: 16, Max: most, Wait: wait}
}

// Promise 4: a lossy subscriber that is stopped learns how many messages it lost, and between which
// positions.
func TestLossIsANumber(t *testing.T) {
	const slots = 256
	for _, tt := range []struct {
		name      string
		published int
		lost      uint64
	}{
		{"less than a lap", slots - 1, 0},
		{"a lap", slots, 0},
		{"one more than a lap", slots + 1, 1},
		{"many laps", 40*slots + 17, 39*slots + 17},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBus(t, creation{Slots: slots, SlotSize: 128})
			s := startAll(t, lossyReader(16, bus.Adaptive))[0]
			f := newFeed(t, b, "loss", 1, 16)
			ctx := deadline(t)
			finish(t, b)
			require.Equal(t, uint64(1), s.expect("end").Received)
			s.stop()
			f.publish(ctx, tt.published-1)
			finish(t, b)
			s.cont()
			r := s.expect("end")
			require.Equal(t, uint64(tt.published), r.Received-1+r.Lost)
			require.Equal(t, tt.lost, r.Lost)
			require.Equal(t, uint64(tt.published+1), r.Position)
			s.exit()
		})
	}
}

// The books of a lossy subscriber that is stopped and continued at random moments, while others
// publish as fast as they can, come out even to the last position.
func TestLossUnderLoad(t *testing.T) {
	const publishers, subscribers, rounds = 2, 2, 60
	rnd := newRand(t)
	b := newBus(t, creation{Slots: 256, SlotSize: 128})
	subs := startAll(t, lossyReader(112, bus.Adaptive), lossyReader(112, bus.Block))
	var jobs []job
	for i := range publishers {
		jobs = append(jobs, job{Role: "publish", Bus: busName, ID: i, Topic: "load", Min: 16, Max: 112})
	}
	pubs := startAll(t, jobs...)
	tellAll(pubs, "go")
	for k := range rounds {
		s := subs[k%subscribers]
		head := snapshot(t, b).Head
		s.stop()
		time.Sleep(time.Duration(rnd.IntN(5000)) * time.Microsecond) // the random moment
		if k%4 == 0 {
			testload.Eventually(t, "a stopped subscriber holds the publishers back", func() bool { return snapshot(t, b).Head > head+1000 })
		}
		s.cont()
		time.Sleep(time.Duration(rnd.IntN(3000)) * time.Microsecond)
		s.faultless()
	}
	tellAll(pubs, "stop")
	published := uint64(1)
	seqs := map[uint32]uint64{}
	for _, p := range pubs {
		n := p.expect("done").Count
		seqs[uint32(p.job.ID)] = n
		published += n
	}
	finish(t, b)
	for _, s := range subs {
		r := s.expect("end")
		require.Equal(t, published, r.Received+r.Lost, "%s", s)
		require.Equal(t, published, r.Position, "%s", s)
		require.Positive(t, r.Losses, "%s was stopped for many laps", s)
		require.Positive(t, r.Received)
		t.Logf("%s: received %d, lost %d in %d pieces", s, r.Received, r.Lost, r.Losses)
		for id, seq := range r.Seqs {
			require.LessOrEqual(t, seq, seqs[id])
		}
		s.exit()
	}
}
