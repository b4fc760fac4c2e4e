//go:build linux

package process

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/internal/testload"
	"shmbus/internal/testproc"
)

// Promise 6: idle costs nothing. A process with a thousand subscriptions asleep uses no processor
// time and two threads on semaphores: one sleeps for all, one listens for deaths.
func TestIdleCostsNothing(t *testing.T) {
	const subscriptions = 1000
	const window = 5 * time.Second
	b := newBus(t, creation{Slots: 256, SlotSize: 64, Subscribers: 1024, Topics: 2048})
	w := startAll(t, job{Role: "sleepers", Bus: busName, Subs: subscriptions, Topic: "idle"})[0]
	awaitAsleep(t, b, subscriptions)
	testload.Eventually(t, "%d threads on semaphores", func() bool { return onSemaphores(w.PID()) == 2 }, onSemaphores(w.PID()))
	// A process looks often whether the bus is still there until nothing has begun to wait for five
	// seconds, and the first moments of its life are behind it when nothing has been added for a
	// while.
	time.Sleep(6 * time.Second)
	settled := testproc.CostOf(w.PID()).Time
	testload.Eventually(t, "it does not come to rest", func() bool {
		time.Sleep(100 * time.Millisecond)
		before := settled
		settled = testproc.CostOf(w.PID()).Time
		return settled == before
	})

	time.Sleep(window)
	used := testproc.CostOf(w.PID()).Time - settled
	require.LessOrEqual(t, used, 10*time.Millisecond, "processor time in %v", window)
	require.Equal(t, 2, onSemaphores(w.PID()))
	threads := len(testproc.Tasks(w.PID()))
	require.Less(t, threads, 20)
	t.Logf("%d subscriptions: %v in %v, %d threads", subscriptions, used, window, threads)

	// They are asleep, not dead.
	f := newFeed(t, b, "idle.0", 777, 16) // a new topic, which all look at
	awaitAsleep(t, b, subscriptions)
	posts := snapshot(t, b).Posts
	f.publish(deadline(t), 1)
	require.Equal(t, 777, w.expect("woke").Index)
	require.Equal(t, posts+1, snapshot(t, b).Posts)
	w.exit()
}
