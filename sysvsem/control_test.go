//go:build linux

package sysvsem_test

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/internal/testload"
	"shmbus/sysvsem"
)

func TestValues(t *testing.T) {
	s := newSet(t, 1, 2, 3)
	require.NoError(t, s.SetVal(1, 32767))
	got, err := s.GetVal(1)
	require.NoError(t, err)
	require.Equal(t, 32767, got)
	requireValues(t, s, 1, 32767, 3)
	require.NoError(t, s.SetAll([]uint16{0, 32767, 9}))
	requireValues(t, s, 0, 32767, 9)
}

func TestCountsAndPid(t *testing.T) {
	s := newSet(t, 0, 1)
	done := make(chan error, 3)
	for _, op := range []sysvsem.Op{p(0), p(0), zero(1)} {
		go func() { done <- s.OpTimeout(10*time.Second, op) }()
	}
	testload.EventuallyWithin(t, 10*time.Second, "three sleepers", func() bool {
		n, err := s.GetNCnt(0)
		require.NoError(t, err)
		z, err := s.GetZCnt(1)
		require.NoError(t, err)
		return n == 2 && z == 1
	})
	for n, get := range map[int]func(int) (int, error){1: s.GetNCnt, 0: s.GetZCnt} {
		count, err := get(n)
		require.NoError(t, err)
		require.Zero(t, count)
	}
	require.NoError(t, s.SetAll([]uint16{2, 0}), "wakes them all")
	for range 3 {
		require.NoError(t, testload.InTime(t, done))
	}
	pid, err := s.GetPid(0)
	require.NoError(t, err)
	require.Equal(t, os.Getpid(), pid)
}

func TestStat(t *testing.T) {
	key := newKey()
	start := time.Now().Truncate(time.Second)
	s, err := sysvsem.Get(key, 5, sysvsem.Create|sysvsem.Exclusive|0o642)
	require.NoError(t, err)
	removeAtEnd(t, s)
	st, err := s.Stat()
	require.NoError(t, err)
	require.Equal(t, sysvsem.Stat{
		ID: s.ID(), Key: key, NSems: 5, Mode: 0o642,
		UID: os.Getuid(), GID: os.Getgid(), CUID: os.Getuid(), CGID: os.Getgid(),
		ChangeTime: st.ChangeTime, Seq: st.Seq,
	}, st)
	require.True(t, st.OpTime.IsZero())
	// The kernel's coarse clock may be a tick late.
	require.WithinRange(t, st.ChangeTime, start.Add(-time.Second), time.Now())

	require.NoError(t, s.OpTimeout(0, v(4)))
	st, err = s.Stat()
	require.NoError(t, err)
	require.WithinRange(t, st.OpTime, start.Add(-time.Second), time.Now())
}

func TestSetPerm(t *testing.T) {
	s := newSet(t, 1)
	before, err := s.Stat()
	require.NoError(t, err)
	tests := []struct {
		name     string
		uid, gid int
		mode     fs.FileMode
	}{
		{"mode only", -1, -1, 0o644},
		{"same owner", os.Getuid(), os.Getgid(), 0o604},
		{"type bits do not count", -1, -1, fs.ModeDir | 0o600},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.NoError(t, s.SetPerm(tt.uid, tt.gid, tt.mode))
			st, err := s.Stat()
			require.NoError(t, err)
			require.Equal(t, tt.mode.Perm(), st.Mode)
			require.Equal(t, before.UID, st.UID)
			require.Equal(t, before.GID, st.GID)
			require.False(t, st.ChangeTime.IsZero())
		})
	}
}

func TestCommandErrors(t *testing.T) {
	s := newSet(t, 1, 2)
	tests := []struct {
		name string
		do   func() error
		is   []error
		text string
	}{
		{"value above SEMVMX", func() error { return s.SetVal(0, 32768) },
			[]error{syscall.ERANGE, sysvsem.ErrRange}, "32768 for semaphore 0"},
		{"value negative", func() error { return s.SetVal(0, -1) },
			[]error{syscall.ERANGE, sysvsem.ErrRange}, "-1 for"},
		{"value beyond 32 bits", func() error { return s.SetVal(0, 1<<32) }, []error{sysvsem.ErrRange},
			"SEMVMX"},
		{"values above SEMVMX", func() error { return s.SetAll([]uint16{1, 40000}) },
			[]error{sysvsem.ErrRange}, "40000 for semaphore 1"},
		{"too few values", func() error { return s.SetAll([]uint16{1}) }, []error{syscall.EINVAL},
			"1 values for a set of 2"},
		{"too many values", func() error { return s.SetAll(make([]uint16, 3)) }, []error{syscall.EINVAL},
			"3 values for a set of 2"},
		{"get outside", func() error { _, err := s.GetVal(2); return err },
			[]error{syscall.EINVAL, sysvsem.ErrNoSemaphore}, "the set has 2"},
		{"get negative", func() error { _, err := s.GetPid(-1); return err },
			[]error{sysvsem.ErrNoSemaphore}, "no semaphore -1"},
		{"set outside", func() error { return s.SetVal(2, 1) }, []error{sysvsem.ErrNoSemaphore},
			"no semaphore 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.do()
			for _, is := range tt.is {
				require.ErrorIs(t, err, is)
			}
			require.NotErrorIs(t, err, sysvsem.ErrRemoved)
			require.Contains(t, err.Error(), tt.text)
			requireValues(t, s, 1, 2)
		})
	}
}

func TestEveryCallSaysThatTheSetIsGone(t *testing.T) {
	s := newSet(t, 1)
	require.NoError(t, s.Remove())
	reused := newSet(t, 1) // takes the slot of the kernel's table, with another identifier
	require.NotEqual(t, s.ID(), reused.ID())

	const gone, none = "get it again by its key", "this handle names no set"
	for set, text := range map[*sysvsem.Set]string{
		s: gone, sysvsem.FromID(1<<31 - 1): gone, // no set has this identifier
		{}: none, sysvsem.FromID(-1): none, sysvsem.FromID(1<<32 + reused.ID()): none,
	} {
		discard := func(_ any, err error) error { return err }
		for name, err := range map[string]error{
			"GetVal":    discard(set.GetVal(0)),
			"GetPid":    discard(set.GetPid(0)),
			"GetNCnt":   discard(set.GetNCnt(0)),
			"GetZCnt":   discard(set.GetZCnt(0)),
			"GetAll":    discard(set.GetAll()),
			"Stat":      discard(set.Stat()),
			"SetVal":    set.SetVal(0, 0),
			"SetAll":    set.SetAll([]uint16{0}),
			"SetPerm":   set.SetPerm(-1, -1, 0o600),
			"SetPerm 2": set.SetPerm(os.Getuid(), os.Getgid(), 0o600),
			"Remove":    set.Remove(),
			"TryOp":     set.TryOp([]sysvsem.Op{v(0)}),
			"OpTimeout": set.OpTimeout(time.Second, v(0)),
			"Op":        set.Op(t.Context(), v(0)),
		} {
			require.ErrorIs(t, err, sysvsem.ErrRemoved, "%s of %v", name, set)
			require.Contains(t, err.Error(), text)
		}
	}
}

func TestPermission(t *testing.T) {
	s := newSet(t, 1, 2)
	require.NoError(t, s.SetPerm(-1, -1, 0))
	if os.Getuid() != 0 {
		// The permission bits bind the owner, too.
		require.NoError(t, refused(s))
		return
	}
	cmd := helper("be refused", s)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	requireValues(t, s, 1, 2)
}

// helpBeRefused runs as a user who has nothing to do with the set.
func helpBeRefused(s *sysvsem.Set) error {
	for name, err := range map[string]error{
		"Remove":  s.Remove(),
		"SetPerm": s.SetPerm(65534, 65534, 0o666),
	} {
		if err := expect(err, syscall.EPERM, os.ErrPermission); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	list, err := sysvsem.List()
	if err != nil {
		return err
	}
	for _, st := range list {
		if st.ID == s.ID() {
			return refused(s)
		}
	}
	return fmt.Errorf("not in the list: %v", list)
}

func refused(s *sysvsem.Set) error {
	_, errVal := s.GetVal(0)
	_, errAll := s.GetAll()
	_, errStat := s.Stat()
	for name, err := range map[string]error{
		"GetVal":    errVal,
		"GetAll":    errAll,
		"Stat":      errStat,
		"SetVal":    s.SetVal(0, 0),
		"SetAll":    s.SetAll([]uint16{0, 0}),
		"TryOp":     s.TryOp([]sysvsem.Op{v(0)}),
		"OpTimeout": s.OpTimeout(time.Second, v(0)),
	} {
		if err := expect(err, syscall.EACCES, os.ErrPermission); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func TestPermissionByKey(t *testing.T) {
	key := newKey()
	s, err := sysvsem.Get(key, 1, sysvsem.Create)
	require.NoError(t, err)
	removeAtEnd(t, s)
	// Root is allowed in spite of the bits; other users are not.
	_, err = sysvsem.Get(key, 1, 0o600)
	if os.Getuid() == 0 {
		require.NoError(t, err)
		return
	}
	require.NoError(t, expect(err, syscall.EACCES, os.ErrPermission))
}

var ipcsFields = regexp.MustCompile(`(\w+) ?= ?(\S+)`)

func TestAgreesWithIpcs(t *testing.T) {
	key := newKey()
	s, err := sysvsem.Get(key, 3, sysvsem.Create|0o640)
	require.NoError(t, err)
	removeAtEnd(t, s)
	require.NoError(t, s.SetAll([]uint16{7, 0, 9}))
	require.NoError(t, s.TryOp([]sysvsem.Op{v(0)}))

	out, err := exec.Command("ipcs", "-s", "-i", strconv.Itoa(s.ID())).CombinedOutput()
	require.NoError(t, err, "%s", out)
	fields := map[string]string{}
	for _, m := range ipcsFields.FindAllStringSubmatch(string(out), -1) {
		fields[m[1]] = m[2]
	}
	st, err := s.Stat()
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(st.ID), fields["semid"], "%s", out)
	require.Equal(t, strconv.Itoa(st.UID), fields["uid"])
	require.Equal(t, strconv.Itoa(st.CGID), fields["cgid"])
	require.Equal(t, strconv.Itoa(st.NSems), fields["nsems"])
	require.Equal(t, fmt.Sprintf("%#o", st.Mode.Perm()),
		"0"+strings.TrimLeft(fields["access_perms"], "0"))
	require.Contains(t, string(out), "otime = "+st.OpTime.Format("Mon Jan _2 15:04:05"))
	require.Contains(t, string(out), "ctime = "+st.ChangeTime.Format("Mon Jan _2 15:04:05"))
	for n, want := range []string{`0\s+8\s+0\s+0\s+`, `1\s+0\s+0\s+0\s+`, `2\s+9\s+0\s+0\s+`} {
		require.Regexp(t, `(?m)^`+want+strconv.Itoa(os.Getpid())+`\s*$`, string(out), "semaphore %d", n)
	}
}

// A number that does not fit the kernel's record is an error, not another owner.
func TestOwnersThatDoNotExist(t *testing.T) {
	s := newSet(t, 1)
	before, err := s.Stat()
	require.NoError(t, err)
	for _, id := range []int{-2, math.MinInt, 1<<32 - 1, 1 << 32, 1<<32 + 5, math.MaxInt} {
		require.ErrorContains(t, s.SetPerm(id, -1, 0o600), fmt.Sprintf("there is no user %d", id))
		require.ErrorContains(t, s.SetPerm(-1, id, 0o600), fmt.Sprintf("there is no group %d", id))
	}
	after, err := s.Stat()
	require.NoError(t, err)
	require.Equal(t, before, after)
}
