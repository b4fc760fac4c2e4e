//go:build linux

package sysvshm_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/sysvshm"
)

func TestGet(t *testing.T) {
	key := newKey()
	first, err := sysvshm.Get(key, 1000, sysvshm.Create|sysvshm.Exclusive|sysvshm.Perm(0o640))
	require.NoError(t, err)
	removeAtEnd(t, first)

	tests := []struct {
		name  string
		key   sysvshm.Key
		size  int
		flags sysvshm.Flag
		is    []error // none: the first segment is found
		text  string
	}{
		{name: "same size", key: key, size: 1000},
		{name: "smaller", key: key, size: 1},
		{name: "any size", key: key, size: 0},
		{name: "create or find", key: key, size: 1000, flags: sysvshm.Create | 0o600},
		{
			name: "create only", key: key, size: 1000, flags: sysvshm.Create | sysvshm.Exclusive | 0o600,
			is: []error{syscall.EEXIST, os.ErrExist}, text: "leave out Exclusive",
		},
		{
			name: "larger", key: key, size: 1001,
			is: []error{syscall.EINVAL, sysvshm.ErrTooLarge}, text: "1001 bytes asked for",
		},
		{
			name: "unknown key", key: 0x0badcafe, size: 1,
			is: []error{syscall.ENOENT,
				os.ErrNotExist}, text: "key 0x0badcafe: no such segment in this IPC namespace: create it",
		},
		{
			name: "new and empty", key: newKey(), size: 0, flags: sysvshm.Create | 0o600,
			is: []error{syscall.EINVAL}, text: "at least one",
		},
		{
			name: "negative", key: newKey(), size: -1, flags: sysvshm.Create | 0o600,
			is: []error{syscall.EINVAL}, text: "negative size -1",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := sysvshm.Get(tt.key, tt.size, tt.flags)
			if len(tt.is) == 0 {
				require.NoError(t, err)
				require.Equal(t, first.ID(), s.ID())
				return
			}
			var e *sysvshm.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, "shmget", e.Op)
			require.Equal(t, -1, e.ID)
			for _, is := range tt.is {
				require.ErrorIs(t, err, is)
			}
			require.Contains(t, err.Error(), tt.text)
		})
	}
}

// A setting decides whether the kernel promises memory that it does not have.
func TestMoreThanThereIsMemory(t *testing.T) {
	overcommit, err := os.ReadFile("/proc/sys/vm/overcommit_memory")
	require.NoError(t, err)
	s, err := sysvshm.Get(sysvshm.Private, 1<<50, 0o600)
	if strings.TrimSpace(string(overcommit)) == "1" {
		require.NoError(t, err)
		removeAtEnd(t, s)
		return
	}
	require.ErrorIs(t, err, syscall.ENOMEM)
	require.Contains(t, err.Error(), "vm.overcommit_memory")
}

func TestPrivateSegmentsAreDistinct(t *testing.T) {
	a, b := newSegment(t, 1), newSegment(t, 1)
	require.NotEqual(t, a.ID(), b.ID())
}

func TestNoReserve(t *testing.T) {
	s, err := sysvshm.Get(sysvshm.Private, 1<<20, sysvshm.NoReserve|0o600)
	require.NoError(t, err)
	removeAtEnd(t, s)
	m := attach(t, s, sysvshm.ReadWrite)
	m.Bytes()[1<<19] = 1
	require.Equal(t, 1<<20, len(m.Bytes()))
}

func TestString(t *testing.T) {
	require.Equal(t, "sysvshm:42", sysvshm.FromID(42).String())
	require.Equal(t, 42, sysvshm.FromID(42).ID())
}
