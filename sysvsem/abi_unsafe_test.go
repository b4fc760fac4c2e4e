//go:build linux

package sysvsem

import (
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestMemoryLayout(t *testing.T) {
	var op Op
	require.EqualValues(t, 6, unsafe.Sizeof(op))
	require.EqualValues(t, 2, unsafe.Alignof(op))
	require.EqualValues(t, 0, unsafe.Offsetof(op.Num))
	require.EqualValues(t, 2, unsafe.Offsetof(op.Op))
	require.EqualValues(t, 4, unsafe.Offsetof(op.Flags))

	var ds semidDS
	want := map[string]struct{ otime, ctime, nsems, size uintptr }{
		"amd64": {48, 64, 80, 104},
		"arm64": {48, 56, 64, 88},
	}[runtime.GOARCH]
	require.Equal(t, want.otime, unsafe.Offsetof(ds.Otime))
	require.Equal(t, want.ctime, unsafe.Offsetof(ds.Ctime))
	require.Equal(t, want.nsems, unsafe.Offsetof(ds.Nsems))
	require.Equal(t, want.size, unsafe.Sizeof(ds))
	require.EqualValues(t, 20, unsafe.Offsetof(ds.Perm.Mode))
	require.EqualValues(t, 24, unsafe.Offsetof(ds.Perm.Seq))
	require.EqualValues(t, 40, unsafe.Sizeof(seminfo{}))
}
