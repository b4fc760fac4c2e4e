//go:build linux

package sysvshm_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/internal/leak"
	"shmbus/sysvshm"
)

// envHelper names what a process that was started from the test binary is to do.
const envHelper = "SYSVSHM_TEST_HELPER"

// helpers run in a process of their own, on the segment with the identifier in os.Args[1].
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
	name := os.Getenv(envHelper)
	if name == "" {
		leak.Main(m)
	}
	id, err := strconv.Atoi(os.Args[1])
	if err == nil {
		err = helpers[name](sysvshm.FromID(id))
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// helper prepares a process that does what name says to the segment.
func helper(name string, s *sysvshm.Segment) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", strconv.Itoa(s.ID()))
	cmd.Env = append(os.Environ(), envHelper+"="+name)
	return cmd
}

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
