//go:build linux

package process

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/bus"
)

// quietRole publishes between the marks 1 and 2.
func quietRole(c *child) {
	b := c.open()
	p := c.publisher(b)
	c.Check(c.publish(p, 0))
	mark(1)
	for seq := range c.Count {
		c.Check(c.publish(p, seq+1))
	}
	mark(2)
	c.Check(b.Close())
}

// Promise 6: publishing makes no system call while nobody who sleeps wants the messages, and those
// who sleep on other topics lose nothing however often the ring is lapped.
func TestSleepersOnOtherTopics(t *testing.T) {
	const processes, each, messages, slots = 5, 40, 100_000, 512
	b := newBus(t, creation{Slots: slots, SlotSize: 64})
	busy := newFeed(t, b, "busy", 0, 16)
	quiet := newFeed(t, b, "quiet.3", 17, 16)
	var jobs []job
	for i := range processes {
		jobs = append(jobs, job{Role: "sleepers", Bus: busName, ID: i, Subs: each, Topic: "quiet", Wait: bus.WaitStrategy(i % 2)})
	}
	// One of them is reliable, so that its gate must be moved on while it sleeps.
	jobs = append(jobs, job{Role: "subscribe", Bus: busName, Auto: true, Patterns: []string{"quiet.3.17", endTopic}, Policy: "reliable", Every: true})
	sleepers := startAll(t, jobs...)
	reliable := sleepers[processes]
	awaitAsleep(t, b, processes*each+1, sleepers...)
	ctx := deadline(t)

	before := snapshot(t, b)
	busy.publish(ctx, messages)
	after := snapshot(t, b)
	require.Equal(t, before.Posts, after.Posts, "posts for messages that nobody wants")
	require.Equal(t, before.Head+messages, after.Head)
	for _, s := range after.Subscribers {
		require.True(t, s.Asleep, "%+v", s)
		require.Zero(t, s.Posts, "%+v", s)
		require.LessOrEqual(t, s.Lag, uint64(slots), "%+v", s)
	}

	// A process of its own that publishes, with all system calls of its thread on record.
	j := job{Role: "quiet", Bus: busName, ID: 1, Topic: "busy", Count: messages, Min: 16, Max: 48}
	tr := trace(t, j)
	defer tr.end()
	tr.runTo(1)
	awaitAsleep(t, b, processes*each+1, sleepers...)
	before = snapshot(t, b)
	calls := tr.runTo(2)
	after = snapshot(t, b)
	t.Logf("system calls for %d messages: %v", messages, calls)
	for _, call := range []int{unix.SYS_SEMOP, unix.SYS_SEMTIMEDOP, unix.SYS_SEMCTL} {
		require.NotContains(t, calls, call)
	}
	// What is left is the Go scheduler, which takes turns every 10 ms.
	require.Less(t, len(calls), messages/1000, "%v", calls)
	require.Equal(t, before.Posts, after.Posts)
	require.Equal(t, before.Head+messages, after.Head)
	tr.release()

	// One message wakes exactly the two who want it.
	awaitAsleep(t, b, processes*each+1, sleepers...)
	before = snapshot(t, b)
	quiet.publish(ctx, 1)
	woke := sleepers[3].expect("woke")
	require.Equal(t, 17, woke.Index)
	require.Equal(t, before.Head, woke.Position)
	finish(t, b)
	r := reliable.expect("end")
	require.Equal(t, map[uint32]uint64{17: 1}, r.Seqs)
	awaitAsleep(t, b, processes*each+1, sleepers...)
	after = snapshot(t, b)
	woken := slices.DeleteFunc(after.Subscribers, func(s bus.SubscriberStatus) bool { return s.Received == 0 })
	require.Len(t, woken, 2)

	// All others are still there: each gets its own, and none has lost anything.
	for i := range processes {
		for k := range each {
			if i == 3 && k == 17 {
				continue
			}
			f := newFeed(t, b, "quiet."+string(rune('0'+i)), k, 16)
			f.publish(ctx, 1)
			require.Equal(t, k, sleepers[i].expect("woke").Index)
			require.NoError(t, f.p.Close())
		}
	}
	for _, s := range snapshot(t, b).Subscribers {
		require.Zero(t, s.Lost, "%+v", s)
	}
	for _, w := range sleepers {
		w.exit()
	}
}

// Publishers who publish by turns, so that each certifies what the others published, wake nobody in
// vain either.
func TestSleepersAndManyPublishers(t *testing.T) {
	const messages = 30_000
	b := newBus(t, creation{Slots: 256, SlotSize: 64})
	w := startAll(t, job{Role: "sleepers", Bus: busName, Subs: 100, Topic: "quiet"})[0]
	var jobs []job
	for i := range 3 {
		jobs = append(jobs, job{Role: "publish", Bus: busName, ID: i, Topic: "busy", Count: messages, Min: 16, Max: 48})
	}
	pubs := startAll(t, jobs...)
	awaitAsleep(t, b, 100, w)
	before := snapshot(t, b)
	tellAll(pubs, "go")
	for _, p := range pubs {
		p.expect("done")
	}
	after := snapshot(t, b)
	require.Equal(t, before.Posts, after.Posts)
	require.Equal(t, before.Head+3*messages, after.Head)
	f := newFeed(t, b, "quiet.0", 5, 16)
	f.publish(deadline(t), 1)
	require.Equal(t, 5, w.expect("woke").Index)
	for _, s := range snapshot(t, b).Subscribers {
		require.Zero(t, s.Lost)
	}
}
