package bus

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestObserver(t *testing.T) {
	b := newBus(t, WithSlots(64))
	ctx := soon(t)
	p := publisher(t, b, "a")
	subscribe(t, b, "a", Reliable())
	subscribe(t, b, "x.>", Also("y"), DemoteAfter(1))
	for range 16 {
		require.NoError(t, p.PublishRaw(ctx, []byte{1}))
	}
	o, err := Observe(b.Name(), WithDir(filepath.Dir(b.seg.Path)))
	require.NoError(t, err)
	defer o.Close()
	s, err := o.Snapshot()
	require.NoError(t, err)
	require.Equal(t, uint64(16), s.Head)
	require.InDelta(t, 0.25, s.Fill, 1e-9, "of the ring holds messages")
	require.InDelta(t, 0.25, s.Backlog, 1e-9, "of the ring is yet to be read")
	require.Len(t, s.Clients, 1, "an observer is no client")
	require.Equal(t, os.Getpid(), s.Clients[0].Pid)
	require.Len(t, s.Publishers, 1)
	require.Equal(t, "a", s.Publishers[0].Topic)
	require.Equal(t, uint64(16), s.Publishers[0].Messages)
	require.Equal(t, "reliable", s.Subscribers[0].Policy)
	require.Equal(t, uint64(16), s.Subscribers[0].Lag)
	require.Equal(t, "x.> y", s.Subscribers[1].Pattern)
	require.Equal(t, "demote", s.Subscribers[1].Policy)
	require.Equal(t, 1, s.Topics[0].Subscribers)
	_, err = json.Marshal(s)
	require.NoError(t, err)
	books := o.bus.ring.Audit()
	require.True(t, books.Balanced())
	require.NoError(t, p.Close())
	s, err = o.Snapshot()
	require.NoError(t, err)
	require.Equal(t, uint64(16), s.Topics[0].Messages, "a topic keeps the counts of publishers that left")
	require.NoError(t, o.Close())
	_, err = o.Snapshot()
	require.ErrorIs(t, err, ErrClosed)
}

// An observer cannot write: a process that tries is killed by the kernel.
func TestObserverCannotWrite(t *testing.T) {
	if key := os.Getenv("SHMBUS_TEST_OBSERVE"); key != "" {
		o, err := Observe(key)
		require.NoError(t, err)
		o.bus.seg.Mem[0] = 1
		return
	}
	b := newBus(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestObserverCannotWrite$")
	cmd.Env = append(os.Environ(), "SHMBUS_TEST_OBSERVE="+b.Name(), "SHMBUS_DIR="+filepath.Dir(b.seg.Path))
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "SIGSEGV")
}
