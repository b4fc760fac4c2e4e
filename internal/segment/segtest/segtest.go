// Package segtest makes segments for tests of the packages that work on one: without a key file,
// and on the heap, so that no other process can attach them.
package segtest

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/ring"
	"shmbus/sysvsem"
)

// New returns a live segment with a semaphore set of its own, which is removed when the test ends.
// It has the default geometry, changed by the functions.
func New(t testing.TB, change ...func(*layout.Geometry)) *segment.Segment {
	t.Helper()
	g := layout.Default()
	for _, f := range change {
		f(&g)
	}
	g.MaxFrame = min(g.MaxFrame, g.Carries())
	m, err := layout.NewMap(g)
	require.NoError(t, err)
	words, err := segment.NewWords(make([]byte, m.Size), m)
	require.NoError(t, err)
	r, err := ring.New(words.Mem, m)
	require.NoError(t, err)
	r.FormatAt(0)
	set, err := sysvsem.Get(sysvsem.Private, m.Semaphores(), sysvsem.Create|sysvsem.Perm(0o600))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, set.Remove()) })
	seg := &segment.Segment{Words: words, Set: set}
	atomic.StoreUint64(seg.Header(layout.HeaderState), layout.StateLive)
	return seg
}

// Slots makes a ring of n slots.
func Slots(n int) func(*layout.Geometry) { return func(g *layout.Geometry) { g.Slots = n } }
