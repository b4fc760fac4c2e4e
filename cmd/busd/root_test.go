//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/testproc"
)

func TestWrongUsage(t *testing.T) {
	testproc.Folder(t)
	for _, tt := range []struct {
		name   string
		args   []string
		stderr string
	}{
		{"no bus", nil, "use -b NAME or set SHMBUS_BUS"},
		{"unknown command", []string{"sevre"}, `there is no command "sevre"; use one of completion, create, doctor`},
		{"unknown flag", []string{"ls", "--jsno"}, "unknown flag: --jsno (see busd ls --help)"},
		{"argument too many", []string{"ls", "x"}, `unexpected argument "x"`},
		{"serve takes no argument", []string{"serve", "prices"}, `unexpected argument "prices"`},
		{"no name", []string{"status"}, "SHMBUS_BUS"},
		{"topics of which bus", []string{"topics"}, "SHMBUS_BUS"},
		{"rm names its buses", []string{"rm"}, "which bus?"},
		{"interval", []string{"status", "x", "--interval", "0s"}, "--interval 0s is too short"},
		{"bus name", []string{"-b", "a/b"}, "invalid bus name"},
		{"size", []string{"-b", "x", "--slots", "many"}, `"many" is no size`},
		{"size beyond all bounds", []string{"-b", "x", "--subscribers", "9223372036854775807"}, "too large"},
		{"impossible sizes", []string{"-b", "x", "--slots", "1000"}, "not a power of two"},
		{"mode", []string{"-b", "x", "--mode", "999"}, "use octal permission bits"},
		{"on-removed", []string{"-b", "x", "--on-removed", "cry"}, "neither exit nor recreate"},
		{"create which bus", []string{"create"}, "SHMBUS_BUS"},
		{"create a bus with a name that is none", []string{"create", "a/b"}, "invalid bus name"},
		{"create an impossible bus", []string{"create", "x", "--slots", "1000"}, "try 1024"},
		{"two names", []string{"status", "a", "-b", "b"}, "which bus, a or b?"},
		{"evict whom", []string{"evict"}, "name the bus and the pid"},
		{"evict no process", []string{"evict", "x", "-3"}, "unknown shorthand"},
		{"evict no pid", []string{"evict", "x", "reader"}, `"reader" is no process id`},
		{"a mode without the owner", []string{"-b", "x", "--mode", "0060"}, "0600 or more"},
		{"negative interval", []string{"status", "x", "--interval", "-1s"}, "too short"},
		{"doctor of no folder", []string{"doctor", "--dir", "/nonexistent"}, "/nonexistent: no such file"},
		{"rm of no name", []string{"rm", ""}, `invalid bus name ""`},
		{"rm of a good name and of none", []string{"rm", "x", "a/b"}, "invalid bus name"},
		{"restore of no name", []string{"restore", ""}, `invalid bus name ""`},
		{"status of no name", []string{"status", ""}, `invalid bus name ""`},
		{"topics of no name", []string{"topics", ""}, `invalid bus name ""`},
		{"evict from no name", []string{"evict", "", "1"}, `invalid bus name ""`},
		{"create of no name", []string{"create", ""}, `invalid bus name ""`},
		{"segment", []string{"restore", "x", "--shmid", "-7"}, "--shmid -7"},
		{"segment of letters", []string{"restore", "x", "--shmid", "one"}, `--shmid "one": use a whole number (see busd restore --help)`},
		{"interval of letters", []string{"status", "x", "--interval", "soon"}, `--interval "soon": use a duration`},
		{"log format", []string{"-b", "x", "--log-format", "xml"}, "neither text nor json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := busd(t, tt.args...)
			require.Equal(t, 2, r.code, r.stderr)
			require.Contains(t, r.stderr, tt.stderr)
			require.Regexp(t, `^busd: [^\n]+\n$`, r.stderr, "one line")
			require.Empty(t, r.stdout)
		})
	}
}

// What could not be written is an error, in one line, which says what was done nevertheless.
func TestFullDevice(t *testing.T) {
	testproc.Folder(t)
	b := makeBus(t, "prices")
	s, err := b.Subscribe(">", bus.Reliable())
	require.NoError(t, err)
	defer s.Close()
	fails := func(args ...string) string {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		require.NoError(t, err)
		defer full.Close()
		cmd := testproc.Command("busd", args...)
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = full, &stderr
		require.Error(t, cmd.Run(), args)
		require.Equal(t, 1, cmd.ProcessState.ExitCode(), args)
		require.Regexp(t, `^busd: [^\n]*no space left on device\n$`, stderr.String(), args)
		return stderr.String()
	}
	for _, args := range [][]string{{"help"}, {"help", "ls"}, {"--help"}, {"create", "-h"}, {"version"}, {"--version"}, {"completion", "bash"}, {"ls"}, {"ls", "--json"},
		{"status", "prices"}, {"topics", "prices", "--json"}} {
		fails(args...)
	}
	require.Contains(t, fails("create", "made"), "bus made was made, but")
	require.Equal(t, "live", busList(t)["made"])
	require.NoError(t, bus.Remove("made"))
	require.Contains(t, fails("evict", "prices", fmt.Sprint(os.Getpid())), "evicted 1 subscription of process")
}
