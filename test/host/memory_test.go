//go:build linux

package host

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/internal/inspect"
	"shmbus/internal/testload"
)

// group makes a memory control group of the given size below this process's, and returns its
// folder.
func group(t *testing.T, bytes int) string {
	t.Helper()
	lines, err := os.ReadFile("/proc/self/cgroup")
	require.NoError(t, err)
	var tried []string
	for line := range strings.Lines(string(lines)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		parent, limit := "", ""
		switch {
		case f[1] == "memory":
			parent, limit = filepath.Join("/sys/fs/cgroup/memory", f[2]), "memory.limit_in_bytes"
		case f[0] == "0":
			parent, limit = filepath.Join("/sys/fs/cgroup", f[2]), "memory.max"
		default:
			continue
		}
		dir, err := os.MkdirTemp(parent, "shmbus-host-")
		if err == nil {
			t.Cleanup(func() { os.Remove(dir) })
			if err = os.WriteFile(filepath.Join(dir, limit), []byte(fmt.Sprint(bytes)), 0); err == nil {
				return dir
			}
		}
		tried = append(tried, err.Error())
	}
	require.FailNow(t, "no memory control group can be made here", strings.Join(tried, "; "))
	return ""
}

// Pages of the segment are charged to the control group of who touches them first. When that is
// full its process is killed, in the middle of filling a slot most likely, and for the others that
// is a death as any other.
func TestFullMemoryGroup(t *testing.T) {
	const limit = 48 << 20
	dir := folder(t, user{}, 0o755)
	b, err := bus.Create(busName, bus.WithSlots(128), bus.WithSlotSize(1<<20), bus.WithPublishers(4), bus.WithOwnedSlots(2))
	require.NoError(t, err)
	defer b.Close()
	cgroup := group(t, limit)
	s, err := b.Subscribe(">")
	require.NoError(t, err)
	w := start(t, "flood")
	w.next()
	require.NoError(t, os.WriteFile(filepath.Join(cgroup, "cgroup.procs"), []byte(fmt.Sprint(w.PID())), 0))
	require.NoError(t, w.Tell("go"))
	require.True(t, w.Wait(testload.Patience()))
	require.Equal(t, unix.SIGKILL, w.Signaled(), w.End())

	died, err := b.Reap()
	require.NoError(t, err)
	shot, err := b.Snapshot()
	require.NoError(t, err)
	require.EqualValues(t, 1, shot.Deaths)
	require.LessOrEqual(t, died, 1)
	require.Empty(t, shot.Publishers)
	require.Greater(t, shot.Head, uint64(10), "it had published")
	books, err := inspect.Audit(b.ShmID())
	require.NoError(t, err)
	require.True(t, books.Balanced(), "%+v", books)

	// A process that has room of its own goes on, through the whole ring.
	p, err := b.Publisher("on")
	require.NoError(t, err)
	frame := make([]byte, 1<<20-64)
	for i := range 2 * 128 {
		frame[0] = byte(i)
		require.NoError(t, p.PublishRaw(t.Context(), frame))
	}
	for {
		m, err := s.Next(t.Context())
		if err == nil && m.Topic == "on" && m.Raw[0] == 255 {
			break
		}
		if err != nil {
			require.ErrorIs(t, err, bus.ErrLost)
		}
	}
	require.NoError(t, bus.Remove(busName))
	require.NoError(t, b.Close())
	nothing(t, dir)
}
