//go:build linux

package sysvmsg_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/internal/testload"
	"shmbus/internal/testproc"
	"shmbus/sysvmsg"
)

// Each of the helpers runs in a process of its own, on the given queue.
var helpers = map[string]func(*sysvmsg.Queue) error{
	"be refused":          helpBeRefused,
	"another namespace":   helpAnotherNamespace,
	"reach the limits":    helpReachLimits,
	"ignore SIGURG":       helpIgnoreSignal,
	"lost signal":         helpLostSignal,
	"no MSG_COPY":         helpNoCopy,
	"send":                helpSend,
	"receive":             helpReceive,
	"wait for a message":  helpWaitForMessage,
	"wait for room":       helpWaitForRoom,
	"example worker":      exampleWorker,
	"permission of owner": helpOwner,
}

func TestMain(m *testing.M) {
	roles := testproc.Roles{}
	for name, help := range helpers {
		roles[name] = testproc.With(func(c *testproc.Child, id int) { c.Check(help(sysvmsg.FromID(id))) })
	}
	testproc.Main(m, roles)
}

// helper prepares a process that does what name says to the queue.
func helper(name string, q *sysvmsg.Queue) *exec.Cmd { return testproc.Program(name, q.ID()) }

// run runs a helper to its end.
func run(t *testing.T, name string, q *sysvmsg.Queue, attr *syscall.SysProcAttr) {
	t.Helper()
	cmd := helper(name, q)
	cmd.SysProcAttr = attr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
}

// start starts a helper, waits for its first line, and kills it at the end of the test.
func start(t *testing.T, name string, q *sysvmsg.Queue) *testproc.Process {
	t.Helper()
	p, err := testproc.Launch(helper(name, q))
	require.NoError(t, err)
	t.Cleanup(p.Kill)
	require.Equal(t, "ready", <-p.Lines)
	return p
}

var lastKey atomic.Int32

// newKey returns a key that nothing has: no test of this package shares its namespace.
func newKey() sysvmsg.Key {
	return sysvmsg.Key(os.Getpid()&0x7fff)<<16 | lastKey.Add(1)
}

// newQueue makes a queue and removes it at the end of the test.
func newQueue(t testing.TB) *sysvmsg.Queue {
	t.Helper()
	q, err := sysvmsg.Get(sysvmsg.Private, sysvmsg.Create|0o600)
	require.NoError(t, err)
	removeAtEnd(t, q)
	return q
}

func removeAtEnd(t testing.TB, q *sysvmsg.Queue) {
	t.Cleanup(func() {
		if err := q.Remove(); err != nil && !errors.Is(err, sysvmsg.ErrRemoved) {
			t.Error(err)
		}
	})
}

// fill sends messages of size bytes and of type 1 until there is no room.
func fill(t testing.TB, q *sysvmsg.Queue, size int) (n int) {
	t.Helper()
	for {
		err := q.TrySend(sysvmsg.Message{Type: 1, Data: make([]byte, size)})
		if err == sysvmsg.ErrFull {
			return n
		}
		require.NoError(t, err)
		n++
	}
}

func message(typ int64, data string) sysvmsg.Message {
	return sysvmsg.Message{Type: typ, Data: []byte(data)}
}

func stat(t testing.TB, q *sysvmsg.Queue) sysvmsg.Stat {
	t.Helper()
	st, err := q.Stat()
	require.NoError(t, err)
	return st
}

// awaitWaiters returns once n threads of a process are inside msgsnd and msgrcv, asleep.
func awaitWaiters(t testing.TB, pid, n int) {
	t.Helper()
	testload.EventuallyWithin(t, 10*time.Second, fmt.Sprintf("%d waiters", n), func() bool {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
		require.NoError(t, err)
		got := 0
		for _, file := range files {
			b, err := os.ReadFile(file)
			number, _, _ := strings.Cut(string(b), " ")
			if c, errNumber := strconv.Atoi(number); err == nil && errNumber == nil &&
				(c == unix.SYS_MSGSND || c == unix.SYS_MSGRCV) {
				got++
			}
		}
		return got == n
	})
}

func expect(err error, targets ...error) error {
	for _, target := range targets {
		if !errors.Is(err, target) {
			return fmt.Errorf("got %v, want %v", err, target)
		}
	}
	return nil
}

func expectText(err error, text string, targets ...error) error {
	if err := expect(err, targets...); err != nil {
		return err
	}
	if !strings.Contains(err.Error(), text) {
		return fmt.Errorf("%q does not say %q", err, text)
	}
	return nil
}

// nobody is a user who has nothing to do with the queue.
func nobody() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}

// newNamespace has a process start in an IPC namespace of its own.
func newNamespace() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWIPC}
	if os.Getuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	}
	return attr
}
