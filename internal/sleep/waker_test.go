package sleep

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/internal/segment/segtest"
	"shmbus/layout"
)

// wakeOf returns the state of a wake word.
func wakeOf(word *uint64) uint8 { return layout.Wake(atomic.LoadUint64(word)).State() }

// A certifier that moves a sleeper on, just as a waker claims it, does not make the waker pass over
// it.
func TestClaimIsTriedAgain(t *testing.T) {
	seg := segtest.New(t)
	word, owner := seg.Sub(0, layout.SubWake), seg.Sub(0, layout.SubOwner)
	atomic.StoreUint64(owner, uint64(layout.MakeOwner(1, 1, layout.OwnerHeld)))
	var done atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() { // a certifier
		for n := uint64(1); !done.Load(); n++ {
			w := layout.Wake(atomic.LoadUint64(word))
			if w.State() == layout.Asleep {
				moved := layout.MakeWake(n, w.Generation(), layout.Asleep)
				atomic.CompareAndSwapUint64(word, uint64(w), uint64(moved))
			}
		}
	})
	claims, claimed := 0, 0
	k := waker{seg: seg}
	for start := time.Now(); time.Since(start) < 300*time.Millisecond; {
		for range 1000 {
			fallAsleep(word)
			claims++
			if k.n = 0; k.add(word, owner) {
				claimed++
			}
		}
	}
	done.Store(true)
	wg.Wait()
	require.Equal(t, claims, claimed)
}

// A semaphore at its maximum keeps nobody asleep: it counts as posted, and the others of the same
// call are posted.
func TestSemaphoreAtItsMaximum(t *testing.T) {
	seg := segtest.New(t)
	k := waker{seg: seg}
	const full, empty = 3, 5 // clients
	require.NoError(t, seg.Set.SetVal(int(layout.SemSleep(full)), 32767))
	for s, c := range []int{full, empty} {
		owner := layout.MakeOwner(c, 1, layout.OwnerHeld)
		atomic.StoreUint64(seg.Sub(s, layout.SubOwner), uint64(owner))
		asleep := layout.MakeWake(0, 1, layout.Asleep)
		atomic.StoreUint64(seg.Sub(s, layout.SubWake), uint64(asleep))
		k.addSub(s)
	}
	require.NoError(t, k.post())
	for s := range 2 {
		require.EqualValues(t, layout.Notified, wakeOf(seg.Sub(s, layout.SubWake)))
	}
	v, err := seg.Set.GetVal(int(layout.SemSleep(empty)))
	require.NoError(t, err)
	require.Equal(t, 1, v)
}
