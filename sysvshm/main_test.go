//go:build linux

package sysvshm_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/internal/testproc"
	"shmbus/sysvshm"
)

// Each of the helpers runs in a process of its own, on the given segment.
var helpers = map[string]func(*sysvshm.Segment) error{
	"be refused":       helpBeRefused,
	"read only":        helpReadOnly,
	"write read-only":  helpWriteReadOnly,
	"read detached":    helpReadDetached,
	"reach the limits": helpReachLimits,
	"huge, refused":    helpHugeRefused,
	"example writer":   exampleWriter,
}

func TestMain(m *testing.M) {
	roles := testproc.Roles{}
	for name, help := range helpers {
		roles[name] = testproc.With(func(c *testproc.Child, id int) { c.Check(help(sysvshm.FromID(id))) })
	}
	testproc.Main(m, roles)
}

// helper prepares a process that does what name says to the segment.
func helper(name string, s *sysvshm.Segment) *exec.Cmd { return testproc.Program(name, s.ID()) }

var lastKey atomic.Int32

// newKey returns a key that nothing has: no test of this package shares its namespace.
func newKey() sysvshm.Key {
	return sysvshm.Key(os.Getpid()&0x7fff)<<16 | lastKey.Add(1)
}

// newSegment makes a segment and removes it at the end of the test.
func newSegment(t testing.TB, size int) *sysvshm.Segment {
	t.Helper()
	s, err := sysvshm.Get(sysvshm.Private, size, sysvshm.Create|0o600)
	require.NoError(t, err)
	removeAtEnd(t, s)
	return s
}

func removeAtEnd(t testing.TB, s *sysvshm.Segment) {
	t.Cleanup(func() {
		if err := s.Remove(); err != nil && !errors.Is(err, sysvshm.ErrRemoved) {
			t.Error(err)
		}
	})
}

func attach(t testing.TB, s *sysvshm.Segment, flags sysvshm.AttachFlag) *sysvshm.Mapping {
	t.Helper()
	m, err := s.Attach(flags)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Detach()) })
	return m
}

func stat(t testing.TB, s *sysvshm.Segment) sysvshm.Stat {
	t.Helper()
	st, err := s.Stat()
	require.NoError(t, err)
	return st
}

func expect(err error, targets ...error) error {
	for _, target := range targets {
		if !errors.Is(err, target) {
			return fmt.Errorf("got %v, want %v", err, target)
		}
	}
	return nil
}
