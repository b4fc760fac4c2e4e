//go:build linux

package sysvshm_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/sysvshm"
)

// The length is that of the segment, not that of its pages or the one given to Get.
func TestLengthIsTheKernels(t *testing.T) {
	page := os.Getpagesize()
	for _, size := range []int{1, 1000, page - 1, page, page + 1, 1 << 20} {
		t.Run(fmt.Sprintf("size=%d", size), func(t *testing.T) {
			key := newKey()
			s, err := sysvshm.Get(key, size, sysvshm.Create|0o600)
			require.NoError(t, err)
			removeAtEnd(t, s)
			found, err := sysvshm.Get(key, 0, 0)
			require.NoError(t, err)
			for _, handle := range []*sysvshm.Segment{s, found, sysvshm.FromID(s.ID())} {
				m := attach(t, handle, sysvshm.ReadWrite)
				require.Len(t, m.Bytes(), size)
				require.Equal(t, size, cap(m.Bytes()))
				require.Equal(t, s.ID(), m.ID())
			}
		})
	}
}

func TestMemoryIsShared(t *testing.T) {
	s := newSegment(t, 100)
	a, b := attach(t, s, sysvshm.ReadWrite), attach(t, s, sysvshm.ReadOnly)
	require.Equal(t, make([]byte, 100), a.Bytes(), "new memory is zero")
	copy(a.Bytes(), "abc")
	require.Equal(t, "abc", string(b.Bytes()[:3]))
	require.NotSame(t, &a.Bytes()[0], &b.Bytes()[0])
	require.False(t, a.ReadOnly())
	require.True(t, b.ReadOnly())
}

func TestDetachMoreThanOnce(t *testing.T) {
	s := newSegment(t, 100)
	m, err := s.Attach(sysvshm.ReadWrite)
	require.NoError(t, err)
	other := attach(t, s, sysvshm.ReadWrite)
	require.Equal(t, 2, stat(t, s).Attached)

	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := m.Detach(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Nil(t, m.Bytes())
	require.Equal(t, 1, stat(t, s).Attached)
	require.Len(t, other.Bytes(), 100)
}

func TestRemoveWhileAttached(t *testing.T) {
	key := newKey()
	s, err := sysvshm.Get(key, 100, sysvshm.Create|0o600)
	require.NoError(t, err)
	removeAtEnd(t, s)
	m := attach(t, s, sysvshm.ReadWrite)
	require.False(t, stat(t, s).Destroy)
	require.NoError(t, s.Remove())

	st := stat(t, s)
	require.True(t, st.Destroy)
	require.Equal(t, sysvshm.Private, st.Key)
	_, err = sysvshm.Get(key, 0, 0)
	require.ErrorIs(t, err, os.ErrNotExist)

	copy(m.Bytes(), "still here")
	late := attach(t, s, sysvshm.ReadOnly)
	require.Equal(t, "still here", string(late.Bytes()[:10]))

	require.NoError(t, m.Detach())
	require.NoError(t, late.Detach())
	_, err = s.Stat()
	require.ErrorIs(t, err, sysvshm.ErrRemoved)
}

func TestEveryCallSaysThatTheSegmentIsGone(t *testing.T) {
	s := newSegment(t, 100)
	require.NoError(t, s.Remove())
	reused := newSegment(t, 100) // takes the slot of the kernel's table, with another identifier
	require.NotEqual(t, s.ID(), reused.ID())

	const gone, none = "get it again by its key", "this handle names no segment"
	for segment, text := range map[*sysvshm.Segment]string{
		s: gone, sysvshm.FromID(1<<31 - 1): gone, // no segment has this identifier
		{}: none, sysvshm.FromID(-1): none, sysvshm.FromID(1<<32 + reused.ID()): none,
	} {
		_, errAttach := segment.Attach(sysvshm.ReadOnly)
		_, errStat := segment.Stat()
		for name, err := range map[string]error{
			"Attach":    errAttach,
			"Stat":      errStat,
			"SetPerm":   segment.SetPerm(-1, -1, 0o600),
			"SetPerm 2": segment.SetPerm(os.Getuid(), os.Getgid(), 0o600),
			"Lock":      segment.Lock(),
			"Unlock":    segment.Unlock(),
			"Remove":    segment.Remove(),
		} {
			require.ErrorIs(t, err, sysvshm.ErrRemoved, "%s of %v", name, segment)
			require.Contains(t, err.Error(), text)
		}
	}
}

// The two accesses that the documentation calls fatal end the program. Each runs in a process of
// its own.
func TestFatalAccesses(t *testing.T) {
	for _, name := range []string{"write read-only", "read detached"} {
		t.Run(name, func(t *testing.T) {
			out, err := helper(name, newSegment(t, 100)).CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Contains(t, string(out), "unexpected fault address")
			require.Contains(t, string(out), "SIGSEGV")
		})
	}
}

func helpWriteReadOnly(s *sysvshm.Segment) error {
	m, err := s.Attach(sysvshm.ReadOnly)
	if err != nil {
		return err
	}
	m.Bytes()[0] = 1
	return errors.New("written to read-only memory")
}

func helpReadDetached(s *sysvshm.Segment) error {
	m, err := s.Attach(sysvshm.ReadWrite)
	if err != nil {
		return err
	}
	b := m.Bytes()
	if err := m.Detach(); err != nil {
		return err
	}
	return fmt.Errorf("read %d from detached memory", b[0])
}

func TestReadOnlyForThoseWhoMayOnlyRead(t *testing.T) {
	s := newSegment(t, 100)
	require.NoError(t, s.SetPerm(-1, -1, 0o444))
	if os.Getuid() != 0 {
		require.NoError(t, helpReadOnly(s))
		return
	}
	asNobody(t, "read only", s)
}

func helpReadOnly(s *sysvshm.Segment) error {
	m, err := s.Attach(sysvshm.ReadOnly)
	if err != nil {
		return err
	}
	defer m.Detach()
	if len(m.Bytes()) != 100 {
		return fmt.Errorf("%d bytes", len(m.Bytes()))
	}
	_, err = s.Attach(sysvshm.ReadWrite)
	return expect(err, syscall.EACCES, os.ErrPermission)
}

// asNobody runs a helper as a user who has nothing to do with the segment.
func asNobody(t *testing.T, name string, s *sysvshm.Segment) {
	t.Helper()
	cmd := helper(name, s)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// DontDump keeps memory out of core dumps, and does nothing after Detach.
func TestDontDump(t *testing.T) {
	const kept, left = 5, 7 // pages, by which the two are told apart
	flags := func(pages int) string {
		smaps, err := os.ReadFile("/proc/self/smaps")
		require.NoError(t, err)
		pattern := fmt.Sprintf(`(?s)/SYSV[^\n]*\nSize: +%d kB\n.*?VmFlags:([^\n]*)`,
			pages*os.Getpagesize()/1024)
		m := regexp.MustCompile(pattern).FindSubmatch(smaps)
		require.NotNil(t, m, pattern)
		return string(m[1])
	}
	a := attach(t, newSegment(t, kept*os.Getpagesize()), sysvshm.ReadOnly)
	attach(t, newSegment(t, left*os.Getpagesize()), sysvshm.ReadWrite)
	require.NoError(t, a.DontDump())
	require.Contains(t, flags(kept)+" ", " dd ")
	require.NotContains(t, flags(left)+" ", " dd ")
	require.NoError(t, a.Detach())
	require.NoError(t, a.DontDump())
}
