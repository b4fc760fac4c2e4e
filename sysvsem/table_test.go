//go:build linux

package sysvsem

import (
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
	all := sets.Walk(sets.Any, usage.MaxIndex)
	require.GreaterOrEqual(t, len(all), 3)
	require.Equal(t, all, sets.Walk(sets.Own, usage.MaxIndex))

	file, err := sets.Read()
	require.NoError(t, err)
	for i := range all {
		all[i].Seq = 0 // the file does not have it
	}
	require.Equal(t, all, file)
}
