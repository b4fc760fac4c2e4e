package sysvshm

import (
	"strings"
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

func TestKeyFormula(t *testing.T) {
	tests := []struct {
		name     string
		dev, ino uint64
		proj     byte
		want     uint32
	}{
		{"each in its place", 0x34, 0x5678, 0x12, 0x12345678},
		{"high bits are dropped", 0xffffff34, 0xffffffff00005678, 0x12, 0x12345678},
		{"project above 127", 0, 0, 255, 0xff000000},
		{"all ones", 0xff, 0xffff, 0xff, 0xffffffff},
		{"smallest", 0, 0, 1, 0x01000000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, uint32(keyOf(tt.dev, tt.ino, tt.proj)))
		})
	}
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
	all := walk(shmSTATANY, usage.MaxIndex)
	require.GreaterOrEqual(t, len(all), 3)
	require.Equal(t, all, walk(shmSTAT, usage.MaxIndex))

	proc, err := readProc(procPath)
	require.NoError(t, err)
	for i := range all {
		all[i].Seq = 0 // the file does not tell
	}
	require.Equal(t, all, proc)
}

func TestProcThatCannotBeRead(t *testing.T) {
	_, err := parseProc(strings.NewReader("key shmid\n 1 x\n"))
	require.ErrorContains(t, err, `" 1 x"`)
	_, err = readProc("/proc/sysvipc/none")
	require.Error(t, err)
}
