//go:build linux

package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/sysvsem"
	"shmbus/test/intercept"
)

func TestDoctorUndo(t *testing.T) {
	for name, tt := range map[string]struct {
		tried error
		found int
	}{
		"works":           {nil, 0},
		"ignored":         {sysvsem.ErrNoUndo, 1},
		"cannot be tried": {unix.EPERM, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := &doctor{tryUndo: func() error { return tt.tried }}
			require.NoError(t, d.checkUndo())
			require.Equal(t, tt.found, d.remaining())
		})
	}
}

// In a runtime as gVisor no bus can be made, nothing is left of it, and doctor says why.
func TestRuntimeThatIgnoresUndo(t *testing.T) {
	const child = "BUSD_TEST_NO_UNDO"
	if os.Getenv(child) == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestRuntimeThatIgnoresUndo$")
		cmd.Env = append(os.Environ(), child+"=1", "SHMBUS_DIR="+t.TempDir())
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return
	}
	// Such runtimes take this call as well, and ignore it.
	require.NoError(t, intercept.Calls(unix.SYS_UNSHARE, func(intercept.Call) intercept.Answer { return intercept.Answer{} }))
	_, err := bus.Create("x")
	require.ErrorIs(t, err, sysvsem.ErrNoUndo)
	require.ErrorContains(t, err, "no process learns of another's death: use a Linux kernel")
	list, err := bus.List()
	require.NoError(t, err)
	require.Empty(t, list)
	d := newDoctorFor(t.Context(), nil)
	require.NoError(t, d.checkUndo())
	require.Equal(t, 1, d.remaining())
	require.Contains(t, d.findings[0].Advice, "gVisor")
}
