//go:build linux

package sysvmsg_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/sysvmsg"
)

func TestGet(t *testing.T) {
	key := newKey()
	first, err := sysvmsg.Get(key, sysvmsg.Create|sysvmsg.Exclusive|sysvmsg.Perm(0o640))
	require.NoError(t, err)
	removeAtEnd(t, first)

	tests := []struct {
		name  string
		key   sysvmsg.Key
		flags sysvmsg.Flag
		is    []error // none: the first queue is found
		text  string
	}{
		{name: "find", key: key},
		{name: "find for reading", key: key, flags: 0o400},
		{name: "create or find", key: key, flags: sysvmsg.Create | 0o600},
		{
			name: "create only", key: key, flags: sysvmsg.Create | sysvmsg.Exclusive | 0o600,
			is: []error{syscall.EEXIST, os.ErrExist}, text: "leave out Exclusive",
		},
		{
			name: "unknown key", key: 0x0badcafe,
			is:   []error{syscall.ENOENT, os.ErrNotExist},
			text: "msgget: key 0x0badcafe: no such queue in this IPC namespace: create it",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q, err := sysvmsg.Get(tt.key, tt.flags)
			if len(tt.is) == 0 {
				require.NoError(t, err)
				require.Equal(t, first.ID(), q.ID())
				return
			}
			var e *sysvmsg.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, "msgget", e.Op)
			require.Equal(t, tt.key, e.Key)
			require.Equal(t, -1, e.ID)
			for _, is := range tt.is {
				require.ErrorIs(t, err, is)
			}
			require.Contains(t, err.Error(), tt.text)
		})
	}
}

func TestPrivateQueuesAreDistinct(t *testing.T) {
	require.NotEqual(t, newQueue(t).ID(), newQueue(t).ID())
}

func TestFtokNamesAQueue(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	key, err := sysvmsg.Ftok(file, 'Q')
	require.NoError(t, err)
	q, err := sysvmsg.Get(key, sysvmsg.Create|sysvmsg.Exclusive|0o600)
	require.NoError(t, err)
	removeAtEnd(t, q)
	require.Equal(t, key, stat(t, q).Key)
}

func TestString(t *testing.T) {
	require.Equal(t, "sysvmsg:42", sysvmsg.FromID(42).String())
	require.Equal(t, 42, sysvmsg.FromID(42).ID())
}
