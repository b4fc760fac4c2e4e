//go:build linux

package members

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/internal/segment"
	"shmbus/internal/segment/segtest"
	"shmbus/internal/testload"
	"shmbus/layout"
	"shmbus/sysvsem"
)

func bell(t *testing.T, seg *segment.Segment) int {
	t.Helper()
	v, err := seg.Set.GetVal(layout.SemBell)
	require.NoError(t, err)
	return v
}

// A client joins, leaves, and the bus is given up while the bell stands at its maximum, as after
// that many deaths of which nobody heard.
func TestBellAtItsMaximum(t *testing.T) {
	seg := segtest.New(t)
	const most = 32767
	full := func() {
		up := []sysvsem.Op{{Num: layout.SemBell, Op: int16(most - bell(t, seg))}}
		require.NoError(t, seg.Set.TryOp(up))
	}
	for range 6 {
		full()
		me, err := Join(seg, Profile{})
		require.NoError(t, err)
		require.Equal(t, most-bellLimit, bell(t, seg))
		full()
		require.NoError(t, Leave(seg, me))
		require.Equal(t, most-bellLimit, bell(t, seg), "leaving is no death")
		require.False(t, seg.ClientLives(me.Client()))
		require.Equal(t, uint32(layout.ClientFree), seg.ClientState(me.Client()).State())
	}
	full()
	require.NoError(t, ringBell(seg, []sysvsem.Op{{Num: layout.SemBell, Op: 1}}))
	require.Equal(t, most-bellLimit+1, bell(t, seg))
}

// A listener whose wait begins after another process took the bell down, since the listener read
// the value, hears the next death all the same.
func TestBellTakenDownBeforeTheWait(t *testing.T) {
	seg := segtest.New(t)
	l := listener{seg: seg}
	resets := l.resets()
	k := uint16(bellLimit - 1)
	require.NoError(t, seg.Set.TryOp([]sysvsem.Op{{Num: layout.SemBell, Op: bellLimit}}))
	require.True(t, lowerBell(seg))
	require.Zero(t, bell(t, seg))
	began := time.Now()
	require.NoError(t, l.wait(testload.Soon(t), k, resets), "before it has begun")
	go func() {
		testload.Eventually(t, "the wait has begun", func() bool {
			n, err := seg.Set.GetNCnt(layout.SemBell)
			return err == nil && n == 1
		})
		atomic.AddUint64(seg.Header(layout.HeaderBellResets), 1)
	}()
	for l.resets() == resets+1 { // a stray signal may end a wait
		require.NoError(t, l.wait(testload.Soon(t), k, resets+1), "when it has begun")
	}
	require.Less(t, time.Since(began), 15*time.Second, "not when the context of the test ends")

	// And a listener that is in time waits.
	ctx, stop := context.WithTimeout(context.Background(), 3*bellLooks[0])
	defer stop()
	defer context.AfterFunc(ctx, func() { l.wake(l.turn.Load()) })()
	err := error(nil)
	for waits := 0; err == nil; waits++ {
		require.Less(t, waits, 3, "a stray signal may end one")
		err = l.wait(ctx, 0, resets+2)
	}
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
