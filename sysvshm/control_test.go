//go:build linux

package sysvshm_test

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

	"shmbus/sysvshm"
)

func TestStat(t *testing.T) {
	key := newKey()
	// The kernel's coarse clock may be a tick late.
	start := time.Now().Truncate(time.Second).Add(-time.Second)
	s, err := sysvshm.Get(key, 5000, sysvshm.Create|sysvshm.Exclusive|0o642)
	require.NoError(t, err)
	removeAtEnd(t, s)
	want := sysvshm.Stat{
		ID: s.ID(), Key: key, Size: 5000, Mode: 0o642,
		UID: os.Getuid(), GID: os.Getgid(), CUID: os.Getuid(), CGID: os.Getgid(),
		CreatorPID: os.Getpid(),
	}
	steps := []struct {
		name string
		do   func()
		set  func(want, got *sysvshm.Stat)
	}{
		{"created", func() {}, func(want, got *sysvshm.Stat) {
			require.WithinRange(t, got.ChangeTime, start, time.Now())
			want.ChangeTime, want.Seq = got.ChangeTime, got.Seq
		}},
		{"attached", func() { attach(t, s, sysvshm.ReadWrite) }, func(want, got *sysvshm.Stat) {
			require.WithinRange(t, got.AttachTime, start, time.Now())
			want.AttachTime, want.Attached, want.LastPID = got.AttachTime, 1, os.Getpid()
		}},
		{"attached and detached", func() {
			m, err := s.Attach(sysvshm.ReadOnly)
			require.NoError(t, err)
			require.NoError(t, m.Detach())
		}, func(want, got *sysvshm.Stat) {
			require.WithinRange(t, got.DetachTime, start, time.Now())
			want.AttachTime, want.DetachTime = got.AttachTime, got.DetachTime
		}},
		{"removed", func() { require.NoError(t, s.Remove()) }, func(want, got *sysvshm.Stat) {
			want.Destroy, want.Key = true, sysvshm.Private
		}},
	}
	for _, step := range steps {
		step.do()
		got := stat(t, s)
		step.set(&want, &got)
		require.Equal(t, want, got, step.name)
	}
}

func TestSetPerm(t *testing.T) {
	s := newSegment(t, 1)
	before := stat(t, s)
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
			st := stat(t, s)
			require.Equal(t, tt.mode.Perm(), st.Mode)
			require.Equal(t, before.UID, st.UID)
			require.Equal(t, before.GID, st.GID)
		})
	}
}

func TestLock(t *testing.T) {
	s := newSegment(t, 4096)
	for range 2 {
		require.NoError(t, s.Lock())
		require.True(t, stat(t, s).Locked)
	}
	require.EqualValues(t, 0o600, stat(t, s).Mode)
	require.NoError(t, s.Unlock())
	require.False(t, stat(t, s).Locked)
}

func TestPermission(t *testing.T) {
	s := newSegment(t, 100)
	require.NoError(t, s.SetPerm(-1, -1, 0))
	if os.Getuid() != 0 {
		// The permission bits bind the owner, too.
		require.NoError(t, refused(s))
		return
	}
	asNobody(t, "be refused", s)
	require.False(t, stat(t, s).Destroy)
}

func helpBeRefused(s *sysvshm.Segment) error {
	for name, err := range map[string]error{
		"Remove":  s.Remove(),
		"SetPerm": s.SetPerm(65534, 65534, 0o666),
		"Lock":    s.Lock(),
	} {
		if err := expect(err, syscall.EPERM, os.ErrPermission); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	list, err := sysvshm.List()
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

func refused(s *sysvshm.Segment) error {
	_, errStat := s.Stat()
	_, errRead := s.Attach(sysvshm.ReadOnly)
	_, errWrite := s.Attach(sysvshm.ReadWrite)
	for name, err := range map[string]error{
		"Stat":             errStat,
		"Attach read-only": errRead,
		"Attach":           errWrite,
	} {
		if err := expect(err, syscall.EACCES, os.ErrPermission); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

var ipcsFields = regexp.MustCompile(`(\w+) ?= ?(\S+)`)

func TestAgreesWithIpcs(t *testing.T) {
	s, err := sysvshm.Get(newKey(), 5000, sysvshm.Create|0o640)
	require.NoError(t, err)
	removeAtEnd(t, s)
	attach(t, s, sysvshm.ReadWrite)

	out, err := exec.Command("ipcs", "-m", "-i", strconv.Itoa(s.ID())).CombinedOutput()
	require.NoError(t, err, "%s", out)
	fields := map[string]string{}
	for _, m := range ipcsFields.FindAllStringSubmatch(string(out), -1) {
		fields[m[1]] = m[2]
	}
	st := stat(t, s)
	for name, want := range map[string]int{
		"shmid": st.ID, "uid": st.UID, "gid": st.GID, "cuid": st.CUID, "cgid": st.CGID,
		"bytes": st.Size, "lpid": st.LastPID, "cpid": st.CreatorPID, "nattch": st.Attached,
	} {
		require.Equal(t, strconv.Itoa(want), fields[name], "%s in\n%s", name, out)
	}
	require.Equal(t, "640", strings.TrimLeft(fields["access_perms"], "0"))
	require.Contains(t, string(out), "att_time="+st.AttachTime.Format("Mon Jan _2 15:04:05"))
	require.Contains(t, string(out), "change_time="+st.ChangeTime.Format("Mon Jan _2 15:04:05"))
}

// A number that does not fit the kernel's record is an error, not another owner.
func TestOwnersThatDoNotExist(t *testing.T) {
	s := newSegment(t, 1)
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
