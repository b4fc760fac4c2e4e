package bus

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/internal/registry"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// What a killed creator left is cleared whatever the times of file and objects say: the clock may
// have been set in between.
func TestLeftoversAfterClockSteps(t *testing.T) {
	for name, step := range map[string]time.Duration{"back": 48 * time.Hour, "forward": -48 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := registry.KeyPath(dir, "x")
			require.NoError(t, os.WriteFile(path, nil, 0o600))
			key, err := sysvshm.Ftok(path, 1)
			require.NoError(t, err)
			text, err := json.Marshal(registry.KeyFile{Version: 1, State: registry.Creating, UUID: "00000000-0000-0000-0000-000000000001", Key: key, IPC: registry.IPCNamespace(), PID: os.Getpid(), Sems: 3})
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, text, 0o600))
			shm, err := sysvshm.Get(key, 64<<10, sysvshm.Create|sysvshm.Exclusive|0o600)
			require.NoError(t, err)
			set, err := sysvsem.Get(key, 3, sysvsem.Create|sysvsem.Exclusive|0o600)
			require.NoError(t, err)
			when := time.Now().Add(step)
			require.NoError(t, os.Chtimes(path, when, when))

			b, err := Create("x", WithDir(dir))
			require.NoError(t, err)
			_, err = shm.Stat()
			require.ErrorIs(t, err, sysvshm.ErrRemoved)
			_, err = set.Stat()
			require.ErrorIs(t, err, sysvsem.ErrRemoved)
			require.NoError(t, b.Close())
			require.NoError(t, Remove("x", WithDir(dir)))
		})
	}
}

func TestKeyFileMode(t *testing.T) {
	for mode, want := range map[os.FileMode]os.FileMode{0o600: 0o600, 0o660: 0o640, 0o666: 0o644, 0o664: 0o644} {
		dir := t.TempDir()
		b, err := Create("x", WithDir(dir), WithMode(mode))
		require.NoError(t, err)
		st, err := os.Stat(filepath.Join(dir, "x.shmbus"))
		require.NoError(t, err)
		require.Equal(t, want, st.Mode())
		require.NoError(t, b.Close())
		require.NoError(t, Remove("x", WithDir(dir)))
	}
}
