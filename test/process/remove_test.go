//go:build linux

package process

import (
	"errors"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/testload"
)

// removedLimit is how soon everybody must know; a tenth of it is the aim.
const removedLimit = time.Second

// waiters starts processes that wait in every way: asleep, spinning, blocked in a full ring,
// watching.
func waiters(t *testing.T) []*worker {
	ws := startAll(t,
		job{Role: "wait", Bus: busName, Patterns: []string{"nothing"}, Wait: bus.Block},
		job{Role: "wait", Bus: busName, Patterns: []string{"nothing"}, Wait: bus.Adaptive, Policy: "reliable"},
		job{Role: "wait", Bus: busName, Patterns: []string{"nothing"}, Wait: bus.Yield},
	)
	for _, w := range ws[:2] {
		testload.Eventually(t, "%s does not sleep", func() bool { return onSemaphores(w.PID()) == 2 }, w)
	}
	return ws
}

func blockedPublishers(t *testing.T, b *bus.Bus) []*worker {
	startAll(t, job{Role: "subscribe", Bus: busName, Patterns: []string{">"}, Policy: "reliable"}) // reads nothing
	ws := startAll(t,
		job{Role: "wait", Bus: busName, ID: 1, Topic: "x", Count: 1, Min: 16, Max: 16, Wait: bus.Block},
		job{Role: "wait", Bus: busName, ID: 2, Topic: "x", Count: 1, Min: 16, Max: 16, Wait: bus.Adaptive},
		job{Role: "wait", Bus: busName, ID: 3, Topic: "x", Count: 1, Min: 16, Max: 16, Wait: bus.Spin},
	)
	testload.Eventually(t, "the publishers do not wait", func() bool {
		s := snapshot(t, b)
		full := 0
		for _, p := range s.Publishers {
			full += int(min(p.Full, 1))
		}
		return full == len(ws) && s.Backlog == 1
	})
	return ws
}

// expectRemoved waits until all have learned that the bus is removed, and returns how long that
// took.
func expectRemoved(t *testing.T, since time.Time, ws []*worker) {
	t.Helper()
	var took distribution
	for _, w := range ws {
		require.Equal(t, "removed", w.expect("outcome").Error, "%s", w)
		took = append(took, time.Since(since))
	}
	t.Logf("known after: %v", took)
	require.Less(t, slices.Max(took), removedLimit)
}

// usable checks that a bus of the same name can be made again, and works.
func usable(t *testing.T) {
	t.Helper()
	b, err := bus.Create(busName, bus.WithSlots(64))
	require.NoError(t, err)
	defer b.Close()
	w := startAll(t, job{Role: "subscribe", Bus: busName, Auto: true, Patterns: []string{">"}, Policy: "reliable"})[0]
	newFeed(t, b, "again", 1, 100).publish(deadline(t), 200)
	finish(t, b)
	require.Equal(t, uint64(201), w.expect("end").Received)
	w.exit()
}

// A call that waits on a bus that is removed ends at once.
func TestRemove(t *testing.T) {
	b := newBus(t, creation{Slots: 64, SlotSize: 64})
	asleep := waiters(t)
	watcher := startAll(t, job{Role: "watch", Bus: busName})[0]
	testload.Eventually(t, "it does not watch", func() bool { return onSemaphores(watcher.PID()) == 1 })
	blocked := blockedPublishers(t, b)
	began := time.Now()
	require.NoError(t, bus.Remove(busName))
	expectRemoved(t, began, slices.Concat(asleep, blocked))
	var fault string
	watcher.Expect(t, "fault", &fault)
	require.Contains(t, fault, bus.ErrRemoved.Error())

	// Who did not wait learns it at the next call.
	_, err := b.Publisher("x.y")
	require.ErrorIs(t, err, bus.ErrRemoved)
	_, err = b.Subscribe("x")
	require.ErrorIs(t, err, bus.ErrRemoved)
	require.Equal(t, "removed", snapshot(t, b).State)
	_, err = bus.Open(busName)
	require.ErrorIs(t, err, bus.ErrNotFound)
	require.ErrorIs(t, bus.Remove(busName), bus.ErrNotFound)
	usable(t)
}

func ipcrm(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("ipcrm", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// The semaphore set is removed by somebody who knows nothing of buses.
func TestSemaphoresRemovedFromOutside(t *testing.T) {
	b := newBus(t, creation{Slots: 64, SlotSize: 64})
	asleep := waiters(t)
	blocked := blockedPublishers(t, b)
	began := time.Now()
	ipcrm(t, "-S", strconv.FormatUint(uint64(uint32(b.Key())), 10))
	expectRemoved(t, began, slices.Concat(asleep, blocked))
	_, err := bus.Open(busName)
	require.ErrorIs(t, err, bus.ErrRemoved)
	require.NoError(t, bus.Remove(busName))
	usable(t)
}

// The segment is removed by somebody who knows nothing of buses, and the semaphores stay: no call
// of the kernel tells anybody. Still everybody who waits learns it, also while one of those who
// look is stopped, and the bus can be made again.
func TestSegmentRemovedFromOutside(t *testing.T) {
	b := newBus(t, creation{Slots: 64, SlotSize: 64})
	asleep := waiters(t)
	blocked := blockedPublishers(t, b)
	asleep[0].stop()
	began := time.Now()
	ipcrm(t, "-M", strconv.FormatUint(uint64(uint32(b.Key())), 10))
	expectRemoved(t, began, slices.Concat(asleep[1:], blocked))
	_, err := bus.Open(busName)
	require.ErrorIs(t, err, bus.ErrNotFound)
	asleep[0].cont()
	expectRemoved(t, time.Now(), asleep[:1])
	usable(t)
}

// The same on a bus on which nothing has happened for long, where everybody looks less often.
func TestSegmentOfIdleBusRemovedFromOutside(t *testing.T) {
	b := newBus(t, creation{Slots: 64, SlotSize: 64})
	asleep := waiters(t)
	time.Sleep(6 * time.Second)
	ipcrm(t, "-M", strconv.FormatUint(uint64(uint32(b.Key())), 10))
	began := time.Now()
	for _, w := range asleep {
		require.Equal(t, "removed", w.expect("outcome").Error, "%s", w)
	}
	t.Logf("known after %v", time.Since(began))
	usable(t)
}

// A remover that is killed at any of its system calls leaves a bus that the next one removes, that
// nobody waits for, and that leaves nothing behind.
func TestRemoverKilledAtEveryCall(t *testing.T) {
	useDir(t)
	j := job{Role: "remove", Bus: busName}
	for k := 0; ; k++ {
		b, err := bus.Create(busName, bus.WithSlots(64))
		require.NoError(t, err)
		require.NoError(t, b.Close())
		name, finished := killAtCall(t, j, k)
		if !finished {
			// It does not hang, and says what is the matter.
			w := start(t, job{Role: "reopen", Bus: busName})
			r := w.expect("outcome")
			t.Logf("killed at call %d (%s): OpenOrCreate: %q", k, name, r.Error)
			w.exit()
		}
		if err := bus.Remove(busName); !errors.Is(err, bus.ErrNotFound) {
			require.NoError(t, err, "after call %d (%s)", k, name)
		}
		usable(t)
		require.NoError(t, bus.Remove(busName))
		noObjects(t)
		if finished {
			require.Greater(t, k, 5)
			return
		}
	}
}
