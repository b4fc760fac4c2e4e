package registry

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// A user's processes find each other's buses whatever of their environment is set: a session, cron,
// a service.
func TestOwnDirs(t *testing.T) {
	uid := os.Geteuid()
	runtime := t.TempDir()
	defer func(old string) { userRuntimeDirs = old }(userRuntimeDirs)
	userRuntimeDirs = runtime
	own := filepath.Join(runtime, strconv.Itoa(uid))
	tmp := "/tmp/shmbus-" + strconv.Itoa(uid)
	t.Setenv("TMPDIR", "/tmp")

	t.Setenv("XDG_RUNTIME_DIR", "")
	require.Equal(t, []string{tmp}, ownDirs(uid), "a service of a user who has no session")
	require.NoError(t, os.Mkdir(own, 0o700))
	require.Equal(t, []string{own + "/shmbus", tmp}, ownDirs(uid), "cron")
	t.Setenv("XDG_RUNTIME_DIR", own)
	require.Equal(t, []string{own + "/shmbus", tmp}, ownDirs(uid), "a session")
	t.Setenv("XDG_RUNTIME_DIR", "/elsewhere")
	require.Equal(t, []string{"/elsewhere/shmbus", own + "/shmbus", tmp}, ownDirs(uid))
	t.Setenv("TMPDIR", "/private")
	require.Equal(t, []string{"/elsewhere/shmbus", own + "/shmbus",
		"/private/shmbus-" + strconv.Itoa(uid), tmp}, ownDirs(uid))
	require.NotContains(t, ownDirs(uid+1), own+"/shmbus", "another user's")
}
