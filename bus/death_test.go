package bus

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/layout"
	"shmbus/sysvsem"
)

// child runs f in another process, which is killed when the test ends or when kill is called.
// f prints a line when it is ready.
func child(t *testing.T, b *Bus, f func(b *Bus, say func(string))) (kill func()) {
	t.Helper()
	if key := os.Getenv("SHMBUS_TEST_CHILD"); key != "" {
		var k int32
		fmt.Sscan(key, &k)
		h, err := OpenKey(k)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		f(h, func(s string) { fmt.Println(s) })
		for { // not select {}, which Go ends as a deadlock
			time.Sleep(time.Hour)
		}
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("SHMBUS_TEST_CHILD=%d", b.Key()))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	kill = func() { cmd.Process.Kill(); cmd.Wait() }
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	return kill
}

// inChild is whether this process is one of child's: then the test must not make a bus of its own.
func inChild() bool { return os.Getenv("SHMBUS_TEST_CHILD") != "" }

func TestDeathIsHeardByEverybody(t *testing.T) {
	var b *Bus
	if !inChild() {
		b = newBus(t, WithSlots(64))
	}
	kill := child(t, b, func(h *Bus, say func(string)) {
		keep(h.Publisher("a"))
		keep(h.Subscribe(">", Reliable()))
		keep(h.Subscribe("b"))
		say("ready")
	})
	heard := make(chan Death, 10)
	ctx, stop := context.WithCancel(soon(t))
	ended := make(chan error)
	for range 3 {
		h := reopen(t, b)
		go func() { ended <- h.WatchDeaths(ctx, func(d Death) { heard <- d }) }()
	}
	snap, err := b.Snapshot()
	require.NoError(t, err)
	require.Len(t, snap.Subscribers, 2)
	eventually(t, "all listen", func() bool {
		n, err := b.seg.Set.GetNCnt(layout.SemBell)
		require.NoError(t, err)
		return n == 3
	})
	kill()
	pubs, subs := 0, 0
	for range 3 {
		d := <-heard
		require.NotZero(t, d.Pid)
		pubs, subs = max(pubs, d.Publishers), max(subs, d.Subscribers)
	}
	require.Equal(t, 1, pubs)
	require.Equal(t, 2, subs)
	eventually(t, "records free", func() bool {
		snap, err = b.Snapshot()
		return len(snap.Subscribers) == 0 && len(snap.Publishers) == 0
	})
	require.Equal(t, uint64(1), snap.Deaths, "counted once, however many heard it")
	stop()
	for range 3 {
		require.ErrorIs(t, <-ended, context.Canceled)
	}
	require.Empty(t, heard)
}

// Without anybody who listens, a publisher that waits for the dead finds out by itself.
func TestDeadSubscriberHoldsNobody(t *testing.T) {
	var b *Bus
	if !inChild() {
		b = newBus(t, WithSlots(64))
	}
	kill := child(t, b, func(h *Bus, say func(string)) {
		keep(h.Subscribe(">", Reliable()))
		say("ready")
	})
	p := publisher(t, b, "a")
	for range 64 {
		require.NoError(t, p.PublishRaw(soon(t), []byte{1}))
	}
	done := make(chan error)
	go func() { done <- p.PublishRaw(context.Background(), []byte{1}) }()
	eventually(t, "waiting", func() bool { s, _ := b.Snapshot(); return s.Publishers[0].Full == 1 })
	kill()
	killed := time.Now()
	require.NoError(t, <-done)
	t.Logf("went on %v after the kill returned", time.Since(killed))
	n, err := b.Reap()
	require.NoError(t, err)
	require.LessOrEqual(t, n, 1)
}

// The bell's value is bounded: it is taken down once it is high, and death is heard across that.
func TestBellIsTakenDown(t *testing.T) {
	var b *Bus
	if !inChild() {
		b = newBus(t, WithSlots(64))
	}
	kill := child(t, b, func(h *Bus, say func(string)) {
		keep(h.Subscribe(">"))
		say("ready")
	})
	ring := func(n int16) {
		require.NoError(t, b.seg.Set.TryOp([]sysvsem.Op{{Num: layout.SemBell, Op: n}}))
	}
	heard := make(chan Death, 1)
	ctx, stop := context.WithCancel(soon(t))
	ended := make(chan error)
	go func() { ended <- b.WatchDeaths(ctx, func(d Death) { heard <- d }) }()
	eventually(t, "it listens", func() bool {
		n, err := b.seg.Set.GetNCnt(layout.SemBell)
		require.NoError(t, err)
		return n == 1
	})
	const limit = 16384 // where it is taken down
	ring(limit - 1)
	ring(1)
	eventually(t, "taken down", func() bool {
		v, err := b.seg.Set.GetVal(layout.SemBell)
		require.NoError(t, err)
		return v == 0
	})
	kill()
	require.NotZero(t, (<-heard).Pid)
	stop()
	require.ErrorIs(t, <-ended, context.Canceled)
	snap, err := b.Snapshot()
	require.NoError(t, err)
	require.Equal(t, uint64(1), snap.BellResets)
}
