package bus

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/internal/fence"
)

// Close and a call that begins at the same moment see each other: the record is not given back
// under the call. Without the barrier of close some rounds go wrong on any machine with two
// processors that lets a store and a later load trade places.
func TestBarrierOfClose(t *testing.T) {
	type round struct {
		lifecycle
		inside atomic.Bool
		_      [64]byte
	}
	const n = 1 << 14
	caught := 0
	cold := make([]uint64, 1<<22)
	for began, seed := time.Now(), 0; time.Since(began) < 2*time.Second; seed++ {
		rounds := make([]round, n)
		var at atomic.Int64 // where the user is
		var users sync.WaitGroup
		users.Go(func() {
			for i := range rounds {
				r := &rounds[i]
				// A store that takes long keeps those after it from others' sight.
				fence.Store(&cold[(i*521+seed*8)&(len(cold)-1)], uint64(i))
				if r.enterAlone() == nil {
					for range 3 {
						if r.over.Load() {
							r.inside.Store(true)
						}
						fence.Pause()
					}
					r.exit()
				}
				at.Store(int64(i))
			}
		})
		for i := int64(0); i < n; i++ {
			r := &rounds[i]
			r.lease = &lease{release: func() {}}
			for at.Load() < i-1 {
				fence.Pause()
			}
			r.close(func() {})
		}
		users.Wait()
		for i := range rounds {
			if rounds[i].inside.Load() {
				caught++
			}
		}
	}
	require.Zero(t, caught)
}

// Who joins the line at the moment at which the call before it ends is not forgotten. Without the
// barrier of queueUp some are: they would wait until somebody else calls.
func TestBarrierOfTurns(t *testing.T) {
	type round struct {
		lifecycle
		_ [64]byte
	}
	const n = 1 << 14
	forgotten := 0
	cold := make([]uint64, 1<<22)
	for began, seed := time.Now(), 0; time.Since(began) < 2*time.Second; seed++ {
		rounds := make([]round, n)
		var at atomic.Int64
		var users sync.WaitGroup
		users.Go(func() {
			for i := range rounds {
				r := &rounds[i]
				if atomic.CompareAndSwapUint64(&r.busy, 0, 1) {
					for range i % 16 {
						fence.Pause()
					}
					fence.Store(&cold[(i*521+seed*8)&(len(cold)-1)], uint64(i)) // as above
					r.exit()
				}
				at.Store(int64(i))
			}
		})
		for i := int64(0); i < n; i++ {
			r := &rounds[i]
			for at.Load() < i-1 {
				fence.Pause()
			}
			seat := r.queueUp()
			for at.Load() < i {
				fence.Pause()
			}
			select {
			case err := <-seat.given:
				require.NoError(t, err)
				r.exit()
			default:
				forgotten++
			}
		}
		users.Wait()
	}
	require.Zero(t, forgotten)
}
