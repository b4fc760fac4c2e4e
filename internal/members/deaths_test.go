//go:build linux

package members

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/internal/segment/segtest"
	"shmbus/layout"
)

// A client that joins while somebody looks for the dead is not one of them, though nobody had its
// record when the kernel was asked first.
func TestJoinersAreNotMarkedDead(t *testing.T) {
	seg := segtest.New(t)
	m := newMember(t, seg)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 1500 {
			me, err := Join(seg, Profile{})
			if err != nil {
				t.Error(err)
				return
			}
			if err := Leave(seg, me); err != nil {
				t.Error(err)
			}
		}
	}()
	for {
		select {
		case <-done:
			require.Zero(t, atomic.LoadUint64(seg.Header(layout.HeaderDeaths)))
			return
		default:
			require.Zero(t, m.markTheDead(lives(t, seg)))
		}
	}
}

// A watch reports each death once, however often it looks.
func TestEachDeathIsReportedOnce(t *testing.T) {
	seg := segtest.New(t)
	m := newMember(t, seg)
	var died []Death
	watch := m.newDeathWatch(func(d Death) { died = append(died, d) })
	for n := range 3 {
		_, kill := another(t, seg, true)
		kill()
		for range 3 {
			watch.look(lives(t, seg))
			require.Len(t, died, n+1)
			require.Equal(t, 1, died[n].Subscribers)
			require.Equal(t, "another", died[n].Name)
		}
	}
}
