//go:build linux

package sysvsem_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/sysvsem"
)

func TestGet(t *testing.T) {
	key := newKey()
	first, err := sysvsem.Get(key, 3, sysvsem.Create|sysvsem.Exclusive|sysvsem.Perm(0o640))
	require.NoError(t, err)
	removeAtEnd(t, first)
	limits, err := sysvsem.Limits()
	require.NoError(t, err)

	tests := []struct {
		name  string
		key   sysvsem.Key
		nsems int
		flags sysvsem.Flag
		is    []error // none: the first set is found
		text  string
	}{
		{name: "same number", key: key, nsems: 3},
		{name: "fewer", key: key, nsems: 1},
		{name: "any number", key: key, nsems: 0},
		{name: "create or find", key: key, nsems: 3, flags: sysvsem.Create | 0o600},
		{
			name: "create only", key: key, nsems: 3, flags: sysvsem.Create | sysvsem.Exclusive | 0o600,
			is: []error{syscall.EEXIST, os.ErrExist}, text: "leave out Exclusive",
		},
		{
			name: "more than there are", key: key, nsems: 4,
			is: []error{syscall.EINVAL}, text: "4 semaphores asked for, the set has 3",
		},
		{
			name: "unknown key", key: newKey(), nsems: 1,
			is: []error{syscall.ENOENT, os.ErrNotExist}, text: "flag Create",
		},
		{
			name: "new and empty", key: newKey(), nsems: 0, flags: sysvsem.Create | 0o600,
			is: []error{syscall.EINVAL}, text: "at least one",
		},
		{
			name: "new and negative", key: newKey(), nsems: -1, flags: sysvsem.Create | 0o600,
			is: []error{syscall.EINVAL}, text: "at least one",
		},
		{
			name: "above SEMMSL", key: sysvsem.Private, nsems: limits.SemsPerSet + 1, flags: 0o600,
			is: []error{syscall.EINVAL}, text: "sysctl -w kernel.sem=",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := sysvsem.Get(tt.key, tt.nsems, tt.flags)
			if len(tt.is) == 0 {
				require.NoError(t, err)
				require.Equal(t, first.ID(), s.ID())
				return
			}
			var e *sysvsem.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, "semget", e.Op)
			require.Equal(t, -1, e.ID)
			for _, is := range tt.is {
				require.ErrorIs(t, err, is)
			}
			require.Contains(t, err.Error(), tt.text)
		})
	}
}

func TestPrivateSetsAreDistinctAndZero(t *testing.T) {
	a, b := newSet(t, 7), newSet(t, 8)
	require.NotEqual(t, a.ID(), b.ID())
	s, err := sysvsem.Get(sysvsem.Private, 4, 0o600)
	require.NoError(t, err)
	removeAtEnd(t, s)
	requireValues(t, s, 0, 0, 0, 0)
}

func TestString(t *testing.T) {
	require.Equal(t, "sysvsem:42", sysvsem.FromID(42).String())
	require.Equal(t, 42, sysvsem.FromID(42).ID())
}

func TestErrorTextNamesTheKey(t *testing.T) {
	_, err := sysvsem.Get(0x0badcafe, 1, 0)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.True(t, strings.Contains(err.Error(), "key 0x0badcafe"), err)
}
