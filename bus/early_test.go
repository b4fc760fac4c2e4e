//go:build linux

package bus

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/test/intercept"
)

// TestEarlyTimeouts: on Linux up to 5.18 a timed wait may end early. A publisher that waits for
// room waits on, and goes on when there is some; so does everybody else that sleeps in its process.
func TestEarlyTimeouts(t *testing.T) {
	const child = "SHMBUS_TEST_EARLY"
	if os.Getenv(child) == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestEarlyTimeouts$")
		cmd.Env = append(os.Environ(), child+"=1")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return
	}
	var early [2]int // timed waits that were ended early, and others
	require.NoError(t, intercept.Calls(unix.SYS_SEMTIMEDOP, func(c intercept.Call) intercept.Answer {
		const timeout = 3
		if c.Args[timeout] == 0 || early[0] == 100 {
			early[1]++
			return intercept.Answer{Kernel: true}
		}
		early[0]++
		return intercept.Answer{Errno: unix.EAGAIN}
	}))
	b := newBus(t, WithSlots(8))
	s := subscribe(t, b, ">", Reliable(), Wait(Block))
	p := publisher(t, b, "a", Wait(Block))
	for range 8 {
		require.NoError(t, p.PublishRaw(soon(t), []byte{1}))
	}
	published := make(chan error)
	go func() { published <- p.PublishRaw(soon(t), []byte{2}) }()
	eventually(t, "blocked", func() bool {
		st, err := b.Snapshot()
		return err == nil && st.Publishers[0].Waiting
	})
	for range 9 {
		_, err := s.Next(soon(t))
		require.NoError(t, err)
	}
	require.NoError(t, <-published)
	received := make(chan error)
	go func() { _, err := s.Next(soon(t)); received <- err }()
	eventually(t, "asleep", asleep(t, b, 1))
	require.NoError(t, p.PublishRaw(context.Background(), []byte{3}))
	require.NoError(t, <-received)
}
