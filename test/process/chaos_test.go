package process

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A chaos is a bus on which processes come, go, stop and die.
type chaos struct {
	t   *testing.T
	rnd *rand.Rand
	id  int

	pubs, subs []*worker
	born       map[int]bool // all publishers that there ever were

	kills, stops, joins, leaves int
}

const (
	chaosSmallest = 16
	chaosLargest  = 112 // one slot
)

func (c *chaos) publisher() *worker {
	c.id++
	c.born[c.id] = true
	j := job{Role: "publish", Bus: busName, ID: c.id, Topic: "chaos", Auto: true, Min: chaosSmallest, Max: chaosLargest}
	if c.rnd.IntN(3) > 0 {
		j.Pace = time.Duration(c.rnd.IntN(300)) * time.Microsecond
	}
	return start(c.t, j)
}

func (c *chaos) subscriber() *worker {
	c.id++
	j := job{Role: "subscribe", Bus: busName, ID: c.id, Auto: true, Patterns: []string{">"}, Single: true, Min: chaosSmallest, Max: chaosLargest}
	if c.rnd.IntN(2) == 0 {
		j.Policy = "reliable"
	} else if c.rnd.IntN(2) == 0 {
		j.From = "oldest"
	}
	return start(c.t, j)
}

func (c *chaos) ready(w *worker) *worker {
	w.expect("ready")
	c.joins++
	return w
}

// act does something to one of them, or replaces it.
func (c *chaos) act() {
	set, spawn := &c.pubs, c.publisher
	if c.rnd.IntN(2) == 0 {
		set, spawn = &c.subs, c.subscriber
	}
	i := c.rnd.IntN(len(*set))
	w := (*set)[i]
	switch c.rnd.IntN(10) {
	case 0, 1, 2:
		w.stop()
		c.stops++
		time.Sleep(time.Duration(c.rnd.IntN(3000)) * time.Microsecond)
		if c.rnd.IntN(3) > 0 {
			w.cont()
			return
		}
		w.killKeeping()
		c.kills++
	case 3, 4:
		c.leaves++
		w.exit()
	default:
		w.killKeeping()
		c.kills++
	}
	(*set)[i] = c.ready(spawn())
}

// Everything at once: publishers and subscribers, lossy and reliable, join, leave, stop and die at random for
// a while. All check every message. What the survivors saw is compared in the end with what the survivors published, and
// the books of the bus with the number of kills.
func TestChaos(t *testing.T) {
	const publishers, subscribers = 8, 8
	duration := 10 * time.Second
	if s := os.Getenv("SHMBUS_CHAOS"); s != "" {
		var err error
		duration, err = time.ParseDuration(s)
		require.NoError(t, err)
	}
	b := newBus(t, creation{Slots: 256, SlotSize: 128, Publishers: publishers + 4})
	c := &chaos{t: t, rnd: newRand(t), born: map[int]bool{}}

	// The keepers live from the first message to the last.
	keeper := job{Role: "subscribe", Bus: busName, Auto: true, Patterns: []string{">"}, Single: true, Every: true, Policy: "reliable",
		Min: chaosSmallest, Max: chaosLargest}
	lossy := keeper
	lossy.Policy, lossy.Every = "", false
	keepers := startAll(t, keeper, keeper, lossy)
	watcher := startAll(t, job{Role: "watch", Bus: busName})[0]
	steady := startAll(t, job{Role: "publish", Bus: busName, ID: 100_000, Topic: "chaos", Auto: true, Pace: 100 * time.Microsecond,
		Min: chaosSmallest, Max: chaosLargest})[0]
	for range publishers {
		c.pubs = append(c.pubs, c.ready(c.publisher()))
	}
	for range subscribers {
		c.subs = append(c.subs, c.ready(c.subscriber()))
	}
	began := time.Now()
	for time.Since(began) < duration {
		head := snapshot(t, b).Head
		c.act()
		eventually(t, func() bool { return snapshot(t, b).Head > head+20 }, "nothing goes on")
		for _, w := range append(keepers, watcher, steady) {
			w.faultless()
		}
	}

	// The end: publishers stop one by one, then everybody reports.
	counts := map[int]uint64{}
	for _, w := range append(c.pubs, steady) {
		w.tell("stop")
		counts[w.job.ID] = w.expect("done").Count
	}
	finish(t, b)
	head := snapshot(t, b).Head
	first := keepers[0].expect("end")
	require.Equal(t, first, keepers[1].expect("end"), "two reliable subscribers")
	require.Equal(t, head, first.Received)
	for id, n := range counts {
		require.Equal(t, n, first.Seqs[id], "messages of surviving publisher %d", id)
	}
	for id := range first.Seqs {
		require.True(t, c.born[id] || id == steady.job.ID, "messages of publisher %d, which there never was", id)
	}
	r := keepers[2].expect("end")
	require.Equal(t, head, r.Received+r.Lost, "the lossy keeper")
	for _, w := range c.subs {
		r := w.expect("end")
		require.Equal(t, head, r.Position)
		if w.job.Policy == "reliable" {
			require.Zero(t, r.Lost)
		}
		for id, n := range counts {
			require.LessOrEqual(t, r.Seqs[id], n)
			if w.job.Policy == "reliable" && r.Seqs[id] != 0 {
				require.Equal(t, n, r.Seqs[id])
			}
		}
	}
	eventually(t, func() bool { return snapshot(t, b).Deaths == uint64(c.kills) }, "not all deaths are noticed")
	for _, w := range append(append(c.pubs, c.subs...), append(keepers, steady)...) {
		w.exit()
	}
	balance(t, b)
	snap := snapshot(t, b)
	require.Equal(t, uint64(c.kills), snap.Deaths)
	require.Len(t, snap.Clients, 2, "this process and the watcher")
	require.Empty(t, snap.Subscribers)
	require.Empty(t, snap.Publishers)
	watcher.exit()
	t.Logf("%v: %d killed, %d stopped, %d joined, %d left; %d messages; the lossy keeper lost %d in %d pieces; %d deaths noticed, %d records reclaimed, %d posts",
		duration, c.kills, c.stops, c.joins, c.leaves, head, r.Lost, r.Losses, snap.Deaths, snap.Reclaimed, snap.Posts)
}
