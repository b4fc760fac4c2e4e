//go:build linux

package sysvshm_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/sysvshm"
)

func TestLimitsAreTheSysctls(t *testing.T) {
	l, err := sysvshm.Limits()
	require.NoError(t, err)
	for name, got := range map[string]any{"shmmax": l.MaxSize, "shmmni": l.Segments,
		"shmall": l.Pages} {
		want, err := os.ReadFile("/proc/sys/kernel/" + name)
		require.NoError(t, err)
		require.Equal(t, strings.TrimSpace(string(want)), fmt.Sprint(got), name)
	}
	require.EqualValues(t, 1, l.MinSize)
}

func TestUsageCounts(t *testing.T) {
	before, err := sysvshm.Usage()
	require.NoError(t, err)
	page := os.Getpagesize()
	s := newSegment(t, 3*page)
	newSegment(t, 1)
	m := attach(t, s, sysvshm.ReadWrite)
	m.Bytes()[0], m.Bytes()[page] = 1, 1
	after, err := sysvshm.Usage()
	require.NoError(t, err)
	require.Equal(t, before.Segments+2, after.Segments)
	require.Equal(t, before.Pages+4, after.Pages)
	require.GreaterOrEqual(t, after.Resident, before.Resident+2)
}

func TestListHasEverySegment(t *testing.T) {
	a, b := newSegment(t, 1), newSegment(t, 2)
	gone := newSegment(t, 3)
	c := newSegment(t, 4)
	require.NoError(t, gone.Remove()) // a hole in the table
	list, err := sysvshm.List()
	require.NoError(t, err)
	found := map[int]sysvshm.Stat{}
	for _, st := range list {
		found[st.ID] = st
	}
	for _, s := range []*sysvshm.Segment{a, b, c} {
		require.Equal(t, stat(t, s), found[s.ID()])
	}
	require.NotContains(t, found, gone.ID())
}

// In a namespace of its own a process can reach the limits without disturbing anybody.
func TestLimitsReached(t *testing.T) {
	cmd := helper("reach the limits", sysvshm.FromID(0))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWIPC}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		root := syscall.SysProcIDMap{ContainerID: 0, HostID: os.Getuid(), Size: 1}
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{root}
	}
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	t.Logf("%s", out)
}

func helpReachLimits(*sysvshm.Segment) error {
	page := os.Getpagesize()
	largest := 100 * page
	lowered := true
	for name, value := range map[string]int{"shmmax": largest, "shmall": 100, "shmmni": 3} {
		lowered = os.WriteFile("/proc/sys/kernel/"+name, []byte(strconv.Itoa(value)), 0) == nil && lowered
	}
	l, err := sysvshm.Limits()
	if err != nil {
		return err
	}
	for range l.Segments {
		if _, err := sysvshm.Get(sysvshm.Private, 1, 0o600); err != nil {
			return err
		}
	}
	_, err = sysvshm.Get(sysvshm.Private, 1, 0o600)
	if err := expectText(err, fmt.Sprintf("SHMMNI allows %d", l.Segments), sysvshm.ErrNoSpace,
		syscall.ENOSPC); err != nil {
		return err
	}
	if !lowered {
		return nil // SHMMAX and SHMALL are out of reach
	}
	list, err := sysvshm.List()
	if err != nil {
		return err
	}
	for _, st := range list {
		if err := sysvshm.FromID(st.ID).Remove(); err != nil {
			return err
		}
	}
	_, err = sysvshm.Get(sysvshm.Private, largest+1, 0o600)
	if err := expectText(err,
		fmt.Sprintf("%d bytes, SHMMAX allows %d: raise it: sysctl -w kernel.shmmax=%[1]d",
			largest+1, largest), sysvshm.ErrTooLarge, syscall.EINVAL); err != nil {
		return err
	}
	if _, err := sysvshm.Get(sysvshm.Private, 98*page, 0o600); err != nil {
		return err
	}
	_, err = sysvshm.Get(sysvshm.Private, 2*page+1, 0o600)
	return expectText(err,
		fmt.Sprintf("98 pages of %d bytes exist and 3 more exceed SHMALL (100): remove unused "+
			"segments (ipcs -m, ipcrm -m ID) or raise it: sysctl -w kernel.shmall=101", page),
		sysvshm.ErrNoSpace, syscall.ENOSPC)
}

func expectText(err error, text string, targets ...error) error {
	if err := expect(err, targets...); err != nil {
		return err
	}
	fmt.Println(err)
	if !strings.Contains(err.Error(), text) {
		return fmt.Errorf("%q does not say %q", err, text)
	}
	return nil
}
