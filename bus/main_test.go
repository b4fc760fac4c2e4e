package bus

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/internal/leak"
	"shmbus/internal/testload"
	"shmbus/layout"
)

func TestMain(m *testing.M) { leak.Main(m) }

var busNumber atomic.Int32

// newBus returns a bus of the test's own, which is removed when the test ends.
func newBus(t testing.TB, opts ...Option) *Bus {
	t.Helper()
	dir := t.TempDir()
	name := fmt.Sprintf("test-%d", busNumber.Add(1))
	b, err := Create(name, append([]Option{WithDir(dir)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() {
		b.Close()
		if err := Remove(name, WithDir(dir)); err != nil {
			t.Errorf("remove: %v", err)
		}
	})
	return b
}

// reopen opens another handle on the same bus.
func reopen(t testing.TB, b *Bus) *Bus {
	t.Helper()
	h, err := OpenKey(b.Key())
	require.NoError(t, err)
	t.Cleanup(func() { h.Close() })
	return h
}

func publisher(t testing.TB, b *Bus, topic string, opts ...PublishOption) *Publisher {
	t.Helper()
	p, err := b.Publisher(topic, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { runtime.KeepAlive(p) })
	return p
}

func subscribe(t testing.TB, b *Bus, pattern string, opts ...SubscribeOption) *Subscription {
	t.Helper()
	s, err := b.Subscribe(pattern, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { runtime.KeepAlive(s) })
	return s
}

var kept []any

// keep keeps a child's publisher or subscription, which would be closed if the garbage collector
// could take it.
func keep[T any](user T, _ error) { kept = append(kept, user) }

var (
	patience   = testload.Patience
	soon       = testload.Soon
	eventually = testload.Eventually
)

// asleep returns the condition that exactly n of the handle's sleepers sleep, after their last
// look, and that nothing but a wake-up or a death will make them look again.
func asleep(t testing.TB, b *Bus, n int) func() bool {
	t.Helper()
	return func() bool {
		// A client that begins to listen to the death bell makes all look once more before it
		// waits.
		if listeners, err := b.seg.Set.GetNCnt(layout.SemBell); err != nil || n > 0 && listeners == 0 {
			return false
		}
		waiting, woken := b.member.Parker.Waiting()
		return waiting == n && !woken
	}
}
