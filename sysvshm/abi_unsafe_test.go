//go:build linux

package sysvshm

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The kernel's 64-bit layouts are the same on amd64 and arm64.
func TestMemoryLayout(t *testing.T) {
	var ds unix.SysvShmDesc
	require.EqualValues(t, 48, unsafe.Sizeof(ds.Perm))
	require.EqualValues(t, 20, unsafe.Offsetof(ds.Perm.Mode))
	require.EqualValues(t, 24, unsafe.Offsetof(ds.Perm.Seq))
	require.EqualValues(t, 48, unsafe.Offsetof(ds.Segsz))
	require.EqualValues(t, 80, unsafe.Offsetof(ds.Cpid))
	require.EqualValues(t, 88, unsafe.Offsetof(ds.Nattch))
	require.EqualValues(t, 112, unsafe.Sizeof(ds))
	require.EqualValues(t, 72, unsafe.Sizeof(shminfo{}))
	require.EqualValues(t, 48, unsafe.Sizeof(shmUsage{}))
	require.EqualValues(t, 8, unsafe.Offsetof(shmUsage{}.Total))
}

// The three ways to list segments, one for each age of kernel, must agree.
func TestListsAgree(t *testing.T) {
	for range 3 {
		s, err := Get(Private, 5000, 0o600)
		require.NoError(t, err)
		m, err := s.Attach(ReadWrite)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, m.Detach()) })
		require.NoError(t, s.Remove())
	}
	usage, err := Usage()
	require.NoError(t, err)
	all := segments.Walk(segments.Any, usage.MaxIndex)
	require.GreaterOrEqual(t, len(all), 3)
	require.Equal(t, all, segments.Walk(segments.Own, usage.MaxIndex))

	file, err := segments.Read()
	require.NoError(t, err)
	for i := range all {
		all[i].Seq = 0 // the file does not have it
	}
	require.Equal(t, all, file)
}
