package process

import (
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// nobody runs a worker as a user who owns nothing.
func nobody(c *exec.Cmd) {
	c.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
}

// The mode of a bus decides who may use it, and who may look at it. It takes root to try both.
func TestPermissions(t *testing.T) {
	for _, tt := range []struct {
		name          string
		c             creation
		open, observe string
	}{
		{"0600", creation{Mode: 0o600}, "permission", "permission"},
		{"0640", creation{Mode: 0o640}, "permission", "permission"},
		{"0644", creation{Mode: 0o644}, "permission", ""},
		{"0666", creation{Mode: 0o666}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.c.Slots = 64
			b := newBus(t, tt.c)
			f := newFeed(t, b, "p", 5, 20)
			f.publish(deadline(t), 7)
			w := start(t, job{Role: "probe", Bus: busName, ID: 5, Topic: "p", Min: 20, Max: 20}, nobody)
			require.Equal(t, tt.open, w.expect("open").Error)
			r := w.expect("observe")
			require.Equal(t, tt.observe, r.Error)
			if tt.observe == "" {
				require.Equal(t, snapshot(t, b).Head, r.Position)
				require.Equal(t, uint64(1), r.Count, "clients: the one here")
			}
			<-w.exited
			require.True(t, w.cmd.ProcessState.Success(), "%v %s", w.cmd.ProcessState, w.stderr.String())
		})
	}
}
