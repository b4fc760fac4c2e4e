package bus

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/layout"
)

// inKernel waits until the handle's leader waits in the kernel.
func inKernel(t testing.TB, b *Bus) {
	t.Helper()
	eventually(t, "in the kernel", func() bool {
		n, err := b.seg.Set.GetNCnt(int(layout.SemSleep(b.member.Owner.Client())))
		return err == nil && n == 1
	})
}

// within returns what is received within some seconds, long before the waits of the test end by
// themselves.
func within[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(8 * time.Second):
		t.Fatal("nothing within 8 s")
	}
	panic("unreachable")
}

// Generations of wake words have 16 bits: across their wrap each sleep is woken, and a claim of an
// earlier sleep does not pass for one of this.
func TestWakeGenerationWraps(t *testing.T) {
	b := newBus(t, WithSlots(64))
	s := subscribe(t, b, "a", Wait(Block))
	p := publisher(t, b, "a")
	atomic.StoreUint64(b.seg.Sub(s.index, layout.SubWake), uint64(layout.MakeWake(0, 1<<16-3, layout.Awake)))
	got := make(chan error)
	for i := range 6 {
		go func() { _, err := s.Next(soon(t)); got <- err }()
		inKernel(t, b)
		w := layout.Wake(atomic.LoadUint64(b.seg.Sub(s.index, layout.SubWake)))
		require.Equal(t, uint16(1<<16-2+i), w.Generation())
		require.NoError(t, p.PublishRaw(soon(t), []byte{1}))
		require.NoError(t, within(t, got))
		require.False(t, atomic.CompareAndSwapUint64(b.seg.Sub(s.index, layout.SubWake), uint64(w), uint64(w.With(layout.Claimed))))
	}
}

// Generations of clients have 32 bits: across their wrap the living live, and the dead are dead.
func TestClientGenerationWraps(t *testing.T) {
	b := newBus(t, WithClients(2))
	c := 1 - b.member.Owner.Client()
	atomic.StoreUint64(b.seg.Client(c, layout.ClientStateWord), uint64(layout.MakeClientState(1<<32-2, layout.ClientFree)))
	var before layout.Owner
	for i := range 4 {
		h := reopen(t, b)
		me := h.member.Owner
		require.Equal(t, uint32(1<<32-1+i), me.Generation())
		require.True(t, b.seg.Alive(me))
		require.False(t, b.seg.Alive(before))
		s := subscribe(t, h, "a", Reliable())
		require.Equal(t, me, layout.Owner(atomic.LoadUint64(b.seg.Sub(s.index, layout.SubOwner))))
		require.NoError(t, h.Close())
		require.False(t, b.seg.Alive(me))
		before = me
	}
}
