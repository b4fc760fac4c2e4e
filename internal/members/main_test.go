//go:build linux

package members

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/internal/segment"
	"shmbus/internal/segment/segtest"
	"shmbus/internal/testproc"
	"shmbus/layout"
	"shmbus/ring"
	"shmbus/sysvshm"
)

func TestMain(m *testing.M) {
	testproc.Main(m, testproc.Roles{"client": testproc.With(client)})
}

// A job is what a client in another process is to do: join the segment and have a reliable
// subscription, or not.
type job struct {
	ShmID    int
	Reliable bool
}

func client(c *testproc.Child, j job) {
	seg, err := segment.Attach(sysvshm.FromID(j.ShmID), sysvshm.ReadWrite)
	c.Check(err)
	me, err := Join(seg, Profile{Name: "another"})
	c.Check(err)
	if j.Reliable {
		r, err := ring.New(seg.Mem, seg.Map)
		c.Check(err)
		s, err := New(seg, r, me, there).TakeSubscriber()
		c.Check(err)
		r.Join(s, ring.FromNow(), true)
	}
	c.Say("ready", uint64(me))
	<-c.Context().Done()
}

// there is the presence of a bus of which nobody takes anything away.
func there() bool { return true }

// another starts a client in another process, which lives until it is killed.
func another(t *testing.T, seg *segment.Segment, reliable bool) (me layout.Owner, kill func()) {
	t.Helper()
	w := testproc.Run(t, "client", job{ShmID: seg.Shm.ID(), Reliable: reliable})
	w.Expect(t, "ready", &me)
	require.True(t, seg.Alive(me))
	return me, w.Kill
}

// newMember returns a client of this process, which leaves when the test ends.
func newMember(t *testing.T, seg *segment.Segment) *Member {
	t.Helper()
	m := New(seg, segtest.Ring(t, seg), join(t, seg), there)
	t.Cleanup(func() {
		m.Stop()
		m.Wait()
	})
	return m
}

// join takes a client record, which is given back when the test ends.
func join(t *testing.T, seg *segment.Segment) layout.Owner {
	t.Helper()
	me, err := Join(seg, Profile{Name: "test"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, Leave(seg, me)) })
	return me
}

// lives returns the values of all semaphores.
func lives(t *testing.T, seg *segment.Segment) []uint16 {
	t.Helper()
	all, err := seg.Set.GetAll()
	require.NoError(t, err)
	return all
}
