//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
	"shmbus/internal/testload"
	"shmbus/internal/testproc"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

func TestMain(m *testing.M) {
	for _, name := range []string{"NOTIFY_SOCKET", cli.EnvBus} {
		os.Unsetenv(name)
	}
	testproc.Main(testproc.Commands(m, "shmbus/cmd/busd", "shmbus/cmd/bussub"), testproc.Roles{"traffic": traffic})
}

// binary returns the path of busd as a user would run it.
func binary() string { return filepath.Join(testproc.Bin(), "busd") }

// startBussub starts a subscriber in a process of its own, which is killed at the end of the test.
// It has subscribed when this function returns.
func startBussub(t *testing.T, b *bus.Bus, args ...string) *testproc.Process {
	t.Helper()
	p, err := testproc.Launch(testproc.Command("bussub", append([]string{"-b", b.Name()}, args...)...))
	require.NoError(t, err)
	t.Cleanup(p.Kill)
	testload.Eventually(t, "bussub sleeps", func() bool {
		s, err := b.Snapshot()
		return err == nil && slices.ContainsFunc(s.Subscribers, func(u bus.SubscriberStatus) bool { return u.Pid == p.PID() && u.Asleep })
	})
	return p
}

// result is how a command ended.
type result struct {
	stdout, stderr string
	code           int
}

// busd runs the command in this process.
func busd(t *testing.T, args ...string) result {
	t.Helper()
	if len(args) > 0 && args[0] == "doctor" {
		needNamespace(t)
	}
	return busdContext(t.Context(), args...)
}

func busdContext(ctx context.Context, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := cli.Exec(ctx, run, args, strings.NewReader(""), &stdout, &stderr)
	return result{stdout.String(), stderr.String(), code}
}

// makeBus makes a small bus that is gone after the test, and returns its handle.
func makeBus(t *testing.T, name string, opts ...bus.Option) *bus.Bus {
	t.Helper()
	opts = append([]bus.Option{bus.WithSlots(64), bus.WithSlotSize(128), bus.WithPublishers(4), bus.WithTopics(16)}, opts...)
	b, err := bus.Create(name, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { discard(b.ShmID(), b.SemID()) })
	t.Cleanup(func() { b.Close() })
	return b
}

// discard removes System V objects that a test may have removed already.
func discard(shmid, semid int) {
	_ = sysvshm.FromID(shmid).Remove()
	_ = sysvsem.FromID(semid).Remove()
}

// needNamespace skips a test that looks at every System V object there is, and may remove some,
// where those are not only its own.
func needNamespace(t *testing.T) {
	t.Helper()
	own, err := os.Readlink("/proc/self/ns/ipc")
	require.NoError(t, err)
	parents, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/ipc", os.Getppid()))
	if err != nil || own == parents {
		t.Skip("needs an IPC namespace of its own")
	}
}
