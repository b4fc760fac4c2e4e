//go:build linux

package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/inspect"
	"shmbus/internal/testload"
	"shmbus/internal/testproc"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// Pids are of no account: processes of other pid namespaces, which have the same pid or one that
// nobody here can see, are alive for as long as they are.
func TestPidNamespaces(t *testing.T) {
	dir := folder(t, user{}, 0o755)
	b, err := bus.Create(busName, bus.WithSlots(64))
	require.NoError(t, err)
	defer b.Close()
	var ws []*worker
	for i, n := range []string{"0", "1", "2"} {
		w := start(t, "echo", namespaces(syscall.CLONE_NEWPID), testproc.Env("N", n))
		require.Equal(t, "1", w.next()["pid"], "each is the first of its namespace")
		require.NotEqual(t, 1, w.PID(), i)
		ws = append(ws, w)
	}
	stopped := start(t, "hold", namespaces(syscall.CLONE_NEWPID))
	require.Equal(t, "1", stopped.next()["pid"])

	s, err := b.Subscribe("echo.*")
	require.NoError(t, err)
	p, err := b.Publisher("ask")
	require.NoError(t, err)
	// round asks all and returns who answers.
	round := func(n int) map[string]bool {
		require.NoError(t, p.PublishRaw(t.Context(), []byte{1}))
		answers := map[string]bool{}
		for range n {
			m, err := s.Next(t.Context())
			require.NoError(t, err)
			answers[m.Topic] = true
		}
		return answers
	}
	for range 10 {
		require.Equal(t, map[string]bool{"echo.0": true, "echo.1": true, "echo.2": true}, round(3))
		died, err := b.Reap()
		require.NoError(t, err)
		require.Zero(t, died)
	}
	alive := func() (list []string) {
		shot, err := b.Snapshot()
		require.NoError(t, err)
		for _, c := range shot.Clients {
			if c.Alive && c.Pid == 1 {
				list = append(list, c.Name)
			}
		}
		return list
	}
	require.ElementsMatch(t, []string{"echo-0", "echo-1", "echo-2", "hold"}, alive())
	status, code := run(t, testproc.Command("busd", "status", busName))
	require.Equal(t, 0, code, status)
	require.Contains(t, status, "echo-1")
	require.NotContains(t, status, "dead")

	// The gate of the one that holds it closed opens with its death, and not before, though it has
	// the pid of others.
	full := func() error {
		q, err := b.Publisher("ask", bus.NoWait())
		require.NoError(t, err)
		defer q.Close()
		for range b.Sizes().Slots {
			if err := q.PublishRaw(t.Context(), []byte{2}); err != nil {
				return err
			}
		}
		return nil
	}
	ws[1].Kill()
	testload.Eventually(t, "the death is noticed", func() bool {
		_, err := b.Reap()
		require.NoError(t, err)
		return len(alive()) == 3
	})
	require.NoError(t, s.Close())
	testload.Eventually(t, "the ring is full", func() bool { return full() != nil })
	stopped.Kill()
	testload.Eventually(t, "the gate is open", func() bool { return full() == nil })

	shot, err := b.Snapshot()
	require.NoError(t, err)
	require.EqualValues(t, 2, shot.Deaths)
	require.ElementsMatch(t, []string{"echo-0", "echo-2"}, alive())
	for _, w := range ws {
		w.Kill()
	}
	_, err = b.Reap()
	require.NoError(t, err)
	books, err := inspect.Audit(b.ShmID())
	require.NoError(t, err)
	require.True(t, books.Balanced(), "%+v", books)
	require.NoError(t, bus.Remove(busName))
	require.NoError(t, b.Close())
	nothing(t, dir)
}

// The key file alone leads nowhere from another IPC namespace, or to somebody else's objects, and
// the error says why.
func TestIPCNamespaces(t *testing.T) {
	dir := folder(t, user{}, 0o755)
	b, err := bus.Create(busName, bus.WithSlots(64))
	require.NoError(t, err)
	defer b.Close()
	own, err := os.Readlink("/proc/self/ns/ipc")
	require.NoError(t, err)
	path := filepath.Join(dir, busName+".shmbus")
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	key := testproc.Env("KEY", strconv.Itoa(int(b.Key())))
	uuid := testproc.Env("UUID", b.UUID())

	for _, tt := range []struct{ name, there string }{
		{"nothing there", ""},
		{"a foreign segment and set there", "both"},
		{"a foreign set there", "set"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := ask(t, "foreign", namespaces(syscall.CLONE_NEWIPC), key, uuid, testproc.Env("THERE", tt.there))
			for _, op := range []string{"open", "observe", "remove", "list"} {
				require.Contains(t, r[op], "another IPC namespace ("+own, op)
				require.Contains(t, r[op], "docker run --ipc", op)
			}
			require.Equal(t, r["before"], r["after"], "foreign objects are left as they are")
			now, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(file), string(now))
		})
	}
	_, err = b.Subscribe("still.there")
	require.NoError(t, err)

	t.Run("made again there", func(t *testing.T) {
		// One that waits looks at the key file, and goes on all the same.
		s, err := b.Subscribe("goes.on")
		require.NoError(t, err)
		defer s.Close()
		got := make(chan error, 1)
		go func() {
			_, err := s.Next(t.Context())
			got <- err
		}()
		r := ask(t, "foreign", namespaces(syscall.CLONE_NEWIPC), key, uuid, testproc.Env("THERE", "both"), testproc.Env("CREATE", "1"))
		require.Empty(t, r["create"], "a namespace that has gone leaves its key files behind")
		require.Equal(t, r["before"], r["after"])
		_, err = bus.Open(busName)
		require.ErrorContains(t, err, "another IPC namespace")
		time.Sleep(300 * time.Millisecond) // it has looked
		p, err := b.Publisher("goes.on")
		require.NoError(t, err)
		require.NoError(t, p.PublishRaw(t.Context(), []byte{1}))
		require.NoError(t, <-got)
	})
}

// foreignRole makes objects that have nothing to do with a bus under the key of one, and does to
// the bus what can be done.
func foreignRole(c *testproc.Child) {
	n, err := strconv.Atoi(os.Getenv("KEY"))
	c.Check(err)
	key := int32(n)
	there := os.Getenv("THERE")
	if there == "both" {
		shm, err := sysvshm.Get(key, 64<<10, sysvshm.Create|sysvshm.Exclusive|0o600)
		c.Check(err)
		_, err = shm.Stat()
		c.Check(err)
	}
	if there != "" {
		_, err := sysvsem.Get(key, 3, sysvsem.Create|sysvsem.Exclusive|0o600)
		c.Check(err)
	}
	objects := func() string {
		shms, err := os.ReadFile("/proc/sysvipc/shm")
		c.Check(err)
		sems, err := os.ReadFile("/proc/sysvipc/sem")
		c.Check(err)
		return string(shms) + string(sems)
	}
	time.Sleep(1100 * time.Millisecond) // a change would show in the times of the objects, which are in seconds
	r := report{"before": objects()}
	if os.Getenv("CREATE") != "" {
		b, err := bus.Create(busName, bus.WithSlots(64))
		r["create"] = text(err)
		if err == nil {
			c.Check(b.Close())
			c.Check(bus.Remove(busName))
			c.Check(os.WriteFile(filepath.Join(os.Getenv("SHMBUS_DIR"), busName+".shmbus"), []byte(`{"shmbus":1,"state":"ready","uuid":"`+
				os.Getenv("UUID")+`","key":`+os.Getenv("KEY")+`,"shmid":99999,"semid":99999,"ipc":7}`), 0o600))
		}
	} else {
		_, err = bus.Open(busName)
		r["open"] = text(err)
		_, err = bus.Observe(busName)
		r["observe"] = text(err)
		r["remove"] = text(bus.Remove(busName))
		infos, err := bus.List()
		c.Check(err)
		r["list"] = text(infos[0].Err)
	}
	r["after"] = objects()
	c.Say("report", r)
}

// To the kernel root of a user namespace is the user outside.
func TestUserNamespaces(t *testing.T) {
	folder(t, user{}, 0o755)
	require.Empty(t, ask(t, "create", testproc.Env("MODE", "0644"))["create"])
	inside := func(c *exec.Cmd) {
		c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: int(stranger.uid), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: int(stranger.gid), Size: 1}}
		c.SysProcAttr.Credential = &syscall.Credential{Uid: 0, Gid: 0, NoSetGroups: true}
	}
	r := ask(t, "use", inside)
	require.Contains(t, r["open"], "bussub --observe")
	require.Empty(t, r["observe"])
	require.Contains(t, ask(t, "remove", inside)["remove"], "permission denied")
	require.Equal(t, "live", snapshot(t).State)
	require.NoError(t, bus.Remove(busName))
}
