//go:build linux

package process

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/sysvshm"
)

// Somebody else's segment has the key that the creator tries first. It is empty and nobody has it
// attached, as what a killed creator leaves. At whichever system call the creator is killed, nobody
// takes that segment for a part of the bus.
func TestCreatorKilledBesideForeignSegment(t *testing.T) {
	dir := useDir(t)
	path := filepath.Join(dir, busName+".shmbus")
	for k := 0; ; k++ {
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		key, err := sysvshm.Ftok(path, 1)
		require.NoError(t, err)
		foreign, err := sysvshm.Get(key, 64<<10, sysvshm.Create|sysvshm.Exclusive|0o600)
		require.NoError(t, err)
		name, finished := killAtCall(t, job{Role: "make", Bus: busName}, k)

		b, err := bus.Create(busName, bus.WithSlots(64))
		if errors.Is(err, bus.ErrExists) {
			b, err = bus.Open(busName)
		}
		require.NoError(t, err, "killed at call %d (%s)", k, name)
		require.NotEqual(t, foreign.ID(), b.ShmID())
		require.NoError(t, b.Close())
		require.NoError(t, bus.Remove(busName))
		_, err = foreign.Stat()
		require.NoError(t, err, "killed at call %d (%s)", k, name)
		require.NoError(t, foreign.Remove())
		noObjects(t)
		if finished {
			require.Greater(t, k, 8)
			return
		}
	}
}
