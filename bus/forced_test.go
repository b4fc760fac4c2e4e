package bus

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/sysvshm"
)

// Where the kernel destroys a segment with its last mapping, who is the last one is told before it
// leaves; looking at what there is destroys nothing.
func TestForcedRemoval(t *testing.T) {
	b := newBus(t)
	require.NoError(t, b.Kept())
	const setting = "/proc/sys/kernel/shm_rmid_forced" // of the tests' own IPC namespace
	require.NoError(t, os.WriteFile(setting, []byte("1"), 0))
	defer os.WriteFile(setting, []byte("0"), 0)
	require.True(t, sysvshm.ForcedRemoval())
	require.ErrorIs(t, b.Kept(), ErrNotKept)
	other := reopen(t, b)
	require.NoError(t, b.Kept())
	require.NoError(t, other.Close())
	require.ErrorIs(t, b.Kept(), ErrNotKept)

	unborn, err := sysvshm.Get(b.Key()+1, 1<<16, sysvshm.Create|0o600) // its creator is about to attach it
	require.NoError(t, err)
	_, err = Open("none", WithDir(t.TempDir()))
	require.ErrorIs(t, err, ErrNotFound)
	_, err = unborn.Stat()
	require.NoError(t, err)
	require.NoError(t, unborn.Remove())

	require.NoError(t, b.Close())
	require.ErrorIs(t, b.Kept(), ErrClosed)
	_, err = b.seg.Shm.Stat()
	require.ErrorIs(t, err, sysvshm.ErrRemoved)
}
