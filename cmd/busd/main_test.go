package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
	"shmbus/test/leak"
)

// binary is the path of busd as a user would run it.
var binary string

func TestMain(m *testing.M) { leak.Main(withBinary{m}) }

// withBinary builds the command before the tests run.
type withBinary struct{ tests *testing.M }

func (w withBinary) Run() int {
	dir, err := os.MkdirTemp("", "busd-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "busd")
	if out, err := exec.Command("go", "build", "-o", dir, ".", "../bussub").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	for _, name := range []string{"NOTIFY_SOCKET", cli.EnvBus} {
		os.Unsetenv(name)
	}
	return w.tests.Run()
}

// startBussub starts a subscriber in a process of its own, which is killed at the end of the test. It has subscribed when this
// function returns.
func startBussub(t *testing.T, b *bus.Bus, args ...string) (cmd *exec.Cmd, stderr *bytes.Buffer) {
	t.Helper()
	cmd, stderr = exec.Command(filepath.Join(filepath.Dir(binary), "bussub"), append([]string{"-b", b.Name()}, args...)...), new(bytes.Buffer)
	cmd.Stderr = stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	require.Eventually(t, func() bool {
		s, err := b.Snapshot()
		return err == nil && slices.ContainsFunc(s.Subscribers, func(u bus.SubscriberStatus) bool { return u.Pid == cmd.Process.Pid && u.Asleep })
	}, patience, 5*time.Millisecond)
	return cmd, stderr
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

// ownDir gives the test a folder of key files of its own.
func ownDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("SHMBUS_DIR", dir)
	return dir
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

// needNamespace skips a test that looks at every System V object there is, and may remove some, where
// those are not only its own.
func needNamespace(t *testing.T) {
	t.Helper()
	own, err := os.Readlink("/proc/self/ns/ipc")
	require.NoError(t, err)
	parents, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/ipc", os.Getppid()))
	if err != nil || own == parents {
		t.Skip("needs an IPC namespace of its own")
	}
}
