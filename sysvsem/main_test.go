//go:build linux

package sysvsem_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/internal/testload"
	"shmbus/internal/testproc"
	"shmbus/sysvsem"
)

// Each of the helpers runs in a process of its own, on the given set.
var helpers = map[string]func(*sysvsem.Set) error{
	"hold with undo":       helpHold,
	"early timeouts":       helpEarlyTimeouts,
	"lost signal":          helpLostSignal,
	"undo ignored":         helpUndoIgnored,
	"unshare does nothing": helpUnshareDoesNothing,
	"unshare forbidden":    helpUnshareForbidden,
	"be refused":           helpBeRefused,
	"ignore SIGURG":        helpIgnoreSignal,
	"reach the limits":     helpReachLimits,
	"example reader":       exampleReader,
	"example worker":       exampleWorker,
}

func TestMain(m *testing.M) {
	roles := testproc.Roles{}
	for name, help := range helpers {
		roles[name] = testproc.With(func(c *testproc.Child, id int) { c.Check(help(sysvsem.FromID(id))) })
	}
	testproc.Main(m, roles)
}

// helper prepares a process that does what name says to the set.
func helper(name string, s *sysvsem.Set) *exec.Cmd { return testproc.Program(name, s.ID()) }

// startHelper starts a helper, waits for its first line, and kills it at the end of the test.
func startHelper(t *testing.T, name string, s *sysvsem.Set) *testproc.Process {
	t.Helper()
	p, err := testproc.Launch(helper(name, s))
	require.NoError(t, err)
	t.Cleanup(p.Kill)
	require.Equal(t, "ready", <-p.Lines)
	return p
}

// ready tells startHelper to go on, then lasts until the process is killed. Go's runtime would end
// a process whose goroutines all wait for each other, as with select {}.
func ready() error {
	fmt.Println("ready")
	for {
		time.Sleep(time.Hour)
	}
}

var lastKey atomic.Int32

// newKey returns a key that nothing has: no test of this package shares its namespace.
func newKey() sysvsem.Key {
	return sysvsem.Key(os.Getpid()&0x7fff)<<16 | lastKey.Add(1)
}

// newSet makes a set with these values, and removes it at the end of the test.
func newSet(t testing.TB, values ...uint16) *sysvsem.Set {
	t.Helper()
	s, err := sysvsem.Get(sysvsem.Private, len(values), sysvsem.Create|0o600)
	require.NoError(t, err)
	removeAtEnd(t, s)
	require.NoError(t, s.SetAll(values))
	return s
}

func removeAtEnd(t testing.TB, s *sysvsem.Set) {
	t.Cleanup(func() {
		if err := s.Remove(); err != nil && !errors.Is(err, sysvsem.ErrRemoved) {
			t.Error(err)
		}
	})
}

// awaitSleepers returns once n threads wait for semaphore 0 to increase.
func awaitSleepers(t testing.TB, s *sysvsem.Set, n int) {
	t.Helper()
	testload.EventuallyWithin(t, 10*time.Second, fmt.Sprintf("%d sleepers", n), func() bool {
		got, err := s.GetNCnt(0)
		require.NoError(t, err)
		return got == n
	})
}

func requireValues(t testing.TB, s *sysvsem.Set, want ...uint16) {
	t.Helper()
	got, err := s.GetAll()
	require.NoError(t, err)
	require.Equal(t, want, got)
}
