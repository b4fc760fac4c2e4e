//go:build linux

package sysvsem_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/sysvsem"
)

func expect(err error, targets ...error) error {
	for _, target := range targets {
		if !errors.Is(err, target) {
			return fmt.Errorf("got %v, want %v", err, target)
		}
	}
	return nil
}

func TestLimitsAreTheSysctl(t *testing.T) {
	b, err := os.ReadFile("/proc/sys/kernel/sem")
	require.NoError(t, err)
	l, err := sysvsem.Limits()
	require.NoError(t, err)
	require.Equal(t, strings.Fields(string(b)),
		strings.Fields(fmt.Sprint(l.SemsPerSet, l.Sems, l.OpsPerCall, l.Sets)))
	require.Equal(t, 32767, l.Value)
}

func TestUsageCounts(t *testing.T) {
	before, err := sysvsem.Usage()
	require.NoError(t, err)
	newSet(t, 1, 2, 3)
	newSet(t, 1)
	after, err := sysvsem.Usage()
	require.NoError(t, err)
	require.Equal(t, before.Sets+2, after.Sets)
	require.Equal(t, before.Sems+4, after.Sems)
}

func TestListHasEverySet(t *testing.T) {
	a, b := newSet(t, 1, 2, 3), newSet(t, 1)
	gone := newSet(t, 1)
	c := newSet(t, 1)
	require.NoError(t, gone.Remove()) // a hole in the table
	list, err := sysvsem.List()
	require.NoError(t, err)
	found := map[int]sysvsem.Stat{}
	for _, st := range list {
		found[st.ID] = st
	}
	for _, s := range []*sysvsem.Set{a, b, c} {
		st, err := s.Stat()
		require.NoError(t, err)
		require.Equal(t, st, found[s.ID()])
	}
	require.NotContains(t, found, gone.ID())
}

// In a namespace of its own a process can reach the limits without disturbing anybody.
func TestLimitsReached(t *testing.T) {
	cmd := helper("reach the limits", sysvsem.FromID(0))
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

func helpReachLimits(*sysvsem.Set) error {
	lowered := os.WriteFile("/proc/sys/kernel/sem", []byte("8 20 4 3"), 0) == nil
	l, err := sysvsem.Limits()
	if err != nil {
		return err
	}
	for range l.Sets {
		if _, err := sysvsem.Get(sysvsem.Private, 1, 0o600); err != nil {
			return err
		}
	}
	_, err = sysvsem.Get(sysvsem.Private, 1, 0o600)
	if err := expectText(err, fmt.Sprintf("SEMMNI allows %d", l.Sets), sysvsem.ErrNoSpace,
		syscall.ENOSPC); err != nil {
		return err
	}
	if !lowered {
		return nil // SEMMNS is out of reach
	}
	list, err := sysvsem.List()
	if err != nil {
		return err
	}
	for _, st := range list {
		if err := sysvsem.FromID(st.ID).Remove(); err != nil {
			return err
		}
	}
	for range 2 {
		if _, err := sysvsem.Get(sysvsem.Private, 8, 0o600); err != nil {
			return err
		}
	}
	_, err = sysvsem.Get(sysvsem.Private, 5, 0o600)
	if err := expectText(err,
		`16 semaphores exist and 5 more exceed SEMMNS (20): remove unused sets (ipcs -s, ipcrm -s ID) `+
			`or raise it: sysctl -w kernel.sem="8 21 4 3"`, sysvsem.ErrNoSpace); err != nil {
		return err
	}
	s, err := sysvsem.Get(sysvsem.Private, 4, 0o600)
	if err != nil {
		return err
	}
	return expectText(s.TryOp(repeat(v(0), 5)),
		`5 operations, SEMOPM allows 4: raise it: sysctl -w kernel.sem="8 20 5 3"`,
		sysvsem.ErrTooManyOps)
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
