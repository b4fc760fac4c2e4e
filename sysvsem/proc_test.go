package sysvsem

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The three ways to list sets, one for each age of kernel, must agree.
func TestListsAgree(t *testing.T) {
	for range 3 {
		s, err := Get(Private, 2, 0o600)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Remove()) })
		require.NoError(t, s.TryOp([]Op{V(1)}))
	}
	usage, err := Usage()
	require.NoError(t, err)
	all := walk(cmdSEMSTATANY, usage.MaxIndex)
	require.GreaterOrEqual(t, len(all), 3)
	require.Equal(t, all, walk(cmdSEMSTAT, usage.MaxIndex))

	proc, err := readProc(procPath)
	require.NoError(t, err)
	for i := range all {
		all[i].Seq = 0 // the file does not tell
	}
	require.Equal(t, all, proc)
}

func TestProcThatCannotBeRead(t *testing.T) {
	_, err := parseProc(strings.NewReader("key semid\n 1 x\n"))
	require.ErrorContains(t, err, `" 1 x"`)
	_, err = readProc("/proc/sysvipc/none")
	require.Error(t, err)
}
