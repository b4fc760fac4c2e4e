//go:build linux

package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/internal/testload"
	"shmbus/internal/testproc"
	"shmbus/layout"
	"shmbus/sysvsem"
)

// A limit that is too low is named by the error together with what raises it; nothing is left
// behind, and when the limit is raised as the error says, there is a bus.
func TestLimits(t *testing.T) {
	for _, tt := range []struct{ name, setting, says string }{
		{"SEMMSL", "kernel/sem=100 1024000000 500 32000", "SEMMSL allows 100"},
		{"SEMMNS", "kernel/sem=32000 100 500 32000", "exceed SEMMNS (100)"},
		{"SEMOPM", "kernel/sem=32000 1024000000 3 32000", "SEMOPM allows 3"},
		{"SEMMNI", "kernel/sem=32000 1024000000 500 0", "SEMMNI allows 0"},
		{"SHMMAX", "kernel/shmmax=8192", "SHMMAX allows 8192"},
		{"SHMALL", "kernel/shmall=1", "exceed SHMALL (1)"},
		{"SHMMNI", "kernel/shmmni=0", "SHMMNI allows 0"},
		{"RLIMIT_NOFILE", "files", "RLIMIT_NOFILE is reached: raise it with ulimit -n"},
		{"RLIMIT_AS", "space", "no address space for the segment: see ulimit -v"},
		{"full file system", "full", "file system of the key files is full"},
		{"read-only file system", "read-only", "folder of key files cannot be written"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder(t, user{}, 0o755)
			r := ask(t, "limit", namespaces(syscall.CLONE_NEWIPC|syscall.CLONE_NEWNS), testproc.Env("LIMIT", tt.setting))
			require.Contains(t, r["create"], tt.says)
			require.Empty(t, r["left"])
			require.Empty(t, r["again"], "after: %s", r["create"])
		})
	}
}

// limitRole sets a limit, tries to create a bus, raises the limit as the error says, and tries
// again.
func limitRole(c *testproc.Child) {
	c.Check(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	limit, dir := os.Getenv("LIMIT"), os.Getenv("SHMBUS_DIR")
	big := []bus.Option{bus.WithSlots(64)}
	raise := func(string) {}
	set := func(resource int, to uint64) {
		var old unix.Rlimit
		c.Check(unix.Getrlimit(resource, &old))
		c.Check(unix.Setrlimit(resource, &unix.Rlimit{Cur: to, Max: old.Max}))
		raise = func(string) { c.Check(unix.Setrlimit(resource, &old)) }
	}
	switch limit {
	case "files":
		set(unix.RLIMIT_NOFILE, 3)
	case "space":
		var pages uint64
		b, err := os.ReadFile("/proc/self/statm")
		c.Check(err)
		_, err = fmt.Sscan(string(b), &pages)
		c.Check(err)
		big = append(big, bus.WithSlotSize(8<<20))
		set(unix.RLIMIT_AS, pages*uint64(os.Getpagesize())+64<<20)
	case "full":
		c.Check(unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4k"))
		c.Check(os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 4096), 0o600))
		raise = func(string) { c.Check(os.Remove(filepath.Join(dir, "ballast"))) }
	case "read-only":
		c.Check(unix.Mount("tmpfs", dir, "tmpfs", unix.MS_RDONLY, ""))
		raise = func(string) { c.Check(unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "")) }
	default:
		name, value, _ := strings.Cut(limit, "=")
		c.Check(os.WriteFile("/proc/sys/"+name, []byte(value), 0))
		raise = func(err string) {
			m := regexp.MustCompile(`sysctl -w kernel\.(\w+)=("[^"]+"|\d+)`).FindStringSubmatch(err)
			if m == nil {
				c.Check(fmt.Errorf("no command in %q", err))
			}
			c.Check(os.WriteFile("/proc/sys/kernel/"+m[1], []byte(strings.Trim(m[2], `"`)), 0))
		}
	}
	_, err := bus.Create(busName, big...)
	r := report{"create": text(err)}
	raise(r["create"])
	r["left"] = leftBehind(c, dir)
	b, err := bus.Create(busName, bus.WithSlots(64))
	r["again"] = text(err)
	if err == nil {
		c.Check(b.Close())
		c.Check(bus.Remove(busName))
	}
	c.Say("report", r)
}

// leftBehind lists the System V objects of this namespace and the key files.
func leftBehind(c *testproc.Child, dir string) string {
	var left []string
	for _, kind := range []string{"shm", "sem"} {
		b, err := os.ReadFile("/proc/sysvipc/" + kind)
		c.Check(err)
		left = append(left, strings.Split(strings.TrimSpace(string(b)), "\n")[1:]...)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.shmbus"))
	c.Check(err)
	return strings.Join(append(left, files...), "\n")
}

// Without a file descriptor to be had, opening is an error at once, and not the end of the process.
func TestOpenWithoutFiles(t *testing.T) {
	folder(t, user{}, 0o755)
	b, err := bus.Create(busName)
	require.NoError(t, err)
	require.NoError(t, b.Close())
	r := ask(t, "starve")
	for _, op := range []string{"open", "observe", "remove"} {
		require.Contains(t, r[op], "RLIMIT_NOFILE is reached", op)
	}
	require.NoError(t, bus.Remove(busName))
}

func starveRole(c *testproc.Child) {
	c.Check(unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: 3}))
	_, open := bus.Open(busName)
	_, observe := bus.Observe(busName)
	c.Say("report", report{"open": text(open), "observe": text(observe), "remove": text(bus.Remove(busName))})
}

// A semaphore at its maximum, SEMVMX, keeps nobody from joining, and nobody asleep.
func TestSemaphoreMaximum(t *testing.T) {
	const maximum = 32767
	folder(t, user{}, 0o755)
	b, err := bus.Create(busName, bus.WithSlots(64))
	require.NoError(t, err)
	defer b.Close()
	set := sysvsem.FromID(b.SemID())
	require.NoError(t, set.SetVal(layout.SemBell, maximum))
	saturated := start(t, "echo", testproc.Env("N", "1"))
	saturated.next()
	s, err := b.Snapshot()
	require.NoError(t, err)
	require.Len(t, s.Clients, 2)
	require.NotZero(t, s.BellResets)
	other := start(t, "echo", testproc.Env("N", "2"))
	other.next()

	replies, err := b.Subscribe("echo.*")
	require.NoError(t, err)
	testload.Eventually(t, "both sleep", func() bool {
		s, err := b.Snapshot()
		require.NoError(t, err)
		return s.Subscribers[0].Asleep && s.Subscribers[1].Asleep
	})
	require.NoError(t, saturated.Stop())
	require.NoError(t, set.SetVal(int(layout.SemSleep(s.Subscribers[0].Client)), maximum))
	p, err := b.Publisher("ask")
	require.NoError(t, err)
	require.NoError(t, p.PublishRaw(t.Context(), []byte{1}))
	answer := func() string {
		ctx, cancel := context.WithTimeout(t.Context(), testload.Patience())
		defer cancel()
		m, err := replies.Next(ctx)
		require.NoError(t, err)
		return m.Topic
	}
	require.Equal(t, "echo.2", answer(), "one call was to wake both")
	require.NoError(t, saturated.Continue())
	require.Equal(t, "echo.1", answer())
	saturated.Kill()
	other.Kill()
	require.NoError(t, bus.Remove(busName))
	require.NoError(t, b.Close())
}
