// Package segtest makes segments for tests of the packages that work on one.
package segtest

import (
	"crypto/rand"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/ring"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// New returns a live segment without a name, a key file or a client, which is removed when the test
// ends. It has the default geometry, changed by the functions. Another process attaches it with
// segment.Attach, by its identifier.
func New(t testing.TB, change ...func(*layout.Geometry)) *segment.Segment {
	t.Helper()
	g := layout.Default()
	for _, f := range change {
		f(&g)
	}
	g.MaxFrame = min(g.MaxFrame, g.Carries())
	m, err := layout.NewMap(g)
	require.NoError(t, err)
	set, err := sysvsem.Get(sysvsem.Private, m.Semaphores(), sysvsem.Create|0o600)
	require.NoError(t, err)
	t.Cleanup(func() { set.Remove() }) // the test may have
	shm, err := sysvshm.Get(sysvshm.Private, m.Size, sysvshm.Create|0o600)
	require.NoError(t, err)
	t.Cleanup(func() { shm.Remove() })
	mapping, err := segment.AttachMemory(shm, sysvshm.ReadWrite)
	require.NoError(t, err)
	t.Cleanup(func() { mapping.Detach() })

	mem := mapping.Bytes()
	h := layout.Header{Geometry: m.Geometry, Created: time.Now().UnixNano(),
		SemID: int32(set.ID()), Creator: uint32(os.Getpid()), Name: "test"}
	rand.Read(h.UUID[:])
	require.NoError(t, h.Encode(mem))
	words, err := segment.NewWords(mem, m)
	require.NoError(t, err)
	Ring(t, &segment.Segment{Words: words}).FormatAt(0)
	seg := &segment.Segment{Words: words, Shm: shm, Mapping: mapping, Set: set, Identity: h}
	atomic.StoreUint64(seg.Header(layout.HeaderState), layout.StateLive)
	atomic.StoreUint64(seg.Header(layout.HeaderMagic), layout.Magic)
	return seg
}

// Ring returns the segment's ring.
func Ring(t testing.TB, seg *segment.Segment) *ring.Ring {
	t.Helper()
	r, err := ring.New(seg.Mem, seg.Map)
	require.NoError(t, err)
	return r
}

// Slots makes a ring of n slots.
func Slots(n int) func(*layout.Geometry) { return func(g *layout.Geometry) { g.Slots = n } }

// Clients makes a table of n clients.
func Clients(n int) func(*layout.Geometry) { return func(g *layout.Geometry) { g.Clients = n } }
