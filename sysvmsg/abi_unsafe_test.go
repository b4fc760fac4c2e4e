//go:build linux

package sysvmsg

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// The kernel's 64-bit layouts are the same on amd64 and arm64.
func TestMemoryLayout(t *testing.T) {
	var ds msqidDS
	require.EqualValues(t, 20, unsafe.Offsetof(ds.Perm.Mode))
	require.EqualValues(t, 48, unsafe.Offsetof(ds.Stime))
	require.EqualValues(t, 64, unsafe.Offsetof(ds.Ctime))
	require.EqualValues(t, 88, unsafe.Offsetof(ds.Qbytes))
	require.EqualValues(t, 96, unsafe.Offsetof(ds.Lspid))
	require.EqualValues(t, 120, unsafe.Sizeof(ds))
	require.EqualValues(t, 28, unsafe.Offsetof(msginfo{}.Msgseg))
	require.EqualValues(t, 32, unsafe.Sizeof(msginfo{}))
	require.EqualValues(t, 8, unsafe.Offsetof(msgbuf{}.text))
}

// The three ways to list queues, one for each age of kernel, must agree.
func TestListsAgree(t *testing.T) {
	for range 3 {
		q, err := Get(Private, 0o600)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, q.Remove()) })
		require.NoError(t, q.TrySend(Message{Type: 1, Data: []byte("abc")}))
	}
	usage, err := Usage()
	require.NoError(t, err)
	all := queues.Walk(queues.Any, usage.MaxIndex)
	require.GreaterOrEqual(t, len(all), 3)
	require.Equal(t, all, queues.Walk(queues.Own, usage.MaxIndex))

	file, err := queues.Read()
	require.NoError(t, err)
	for i := range all {
		all[i].Seq, all[i].MaxBytes = 0, 0 // the file does not have them
	}
	require.Equal(t, all, file)
}
