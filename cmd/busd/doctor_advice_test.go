//go:build linux

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/internal/testproc"
	"shmbus/layout"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// setHeader overwrites bytes of a bus's header.
func setHeader(t *testing.T, b *bus.Bus, offset int, bytes ...byte) {
	t.Helper()
	m, err := sysvshm.FromID(b.ShmID()).Attach(0)
	require.NoError(t, err)
	copy(m.Bytes()[offset:], bytes)
	require.NoError(t, m.Detach())
}

// Each command that doctor gives is run in the state for which it gives it: the finding is gone
// then, and a healthy bus in the same folder is as it was.
func TestAdviceHelps(t *testing.T) {
	states := map[string]struct {
		check string
		make  func(t *testing.T, b *bus.Bus, path string)
		lives bool // the bus is in order afterwards
	}{
		"the segment is gone":     {"stale-key-file", func(t *testing.T, b *bus.Bus, _ string) { discard(b.ShmID(), b.SemID()) }, false},
		"the semaphores are gone": {"half-removed", func(t *testing.T, b *bus.Bus, _ string) { require.NoError(t, removeSet(b)) }, false},
		"the creator died":        {"incomplete", func(t *testing.T, b *bus.Bus, _ string) { setHeader(t, b, 0, 0, 0, 0, 0, 0, 0, 0, 0) }, false},
		"no key file": {"incomplete", func(t *testing.T, b *bus.Bus, path string) {
			require.NoError(t, bus.Remove(b.Name()))
			require.NoError(t, os.WriteFile(path, []byte("shopping list\n"), 0o600))
		}, false},
		"a folder": {"incomplete", func(t *testing.T, b *bus.Bus, path string) {
			require.NoError(t, bus.Remove(b.Name()))
			require.NoError(t, os.MkdirAll(filepath.Join(path, "not empty"), 0o700))
		}, false},
		"a pipe": {"incomplete", func(t *testing.T, b *bus.Bus, path string) {
			require.NoError(t, bus.Remove(b.Name()))
			require.NoError(t, unix.Mkfifo(path, 0o600))
		}, false},
		"a link": {"incomplete", func(t *testing.T, b *bus.Bus, path string) {
			require.NoError(t, bus.Remove(b.Name()))
			require.NoError(t, os.Symlink("nowhere", path))
		}, false},
		"a damaged header": {"damage", func(t *testing.T, b *bus.Bus, _ string) { setHeader(t, b, 64, 0xff, 0xff, 0xff, 0xff) }, false},
		"another version":  {"other-version", func(t *testing.T, b *bus.Bus, _ string) { setHeader(t, b, layout.HeaderVersion, 77) }, false},
		"a copied key file": {"foreign-key-file", func(t *testing.T, b *bus.Bus, path string) {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, bus.Remove(b.Name()))
			// That of the healthy bus, but for its number.
			healthy, err := os.ReadFile(filepath.Join(filepath.Dir(path), "healthy.shmbus"))
			require.NoError(t, err)
			require.NotEqual(t, text, healthy)
			number := regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
			require.NoError(t, os.WriteFile(path, number.ReplaceAll(healthy, number.Find(text)), 0o600))
		}, false},
		"a stranger's segment": {"foreign-key-file", func(t *testing.T, b *bus.Bus, _ string) {
			key := b.Key()
			discard(b.ShmID(), b.SemID())
			stranger, err := sysvshm.Get(key, 8192, sysvshm.Create|sysvshm.Exclusive|0o600)
			require.NoError(t, err)
			t.Cleanup(func() {
				require.NoError(t, errorOf(stranger.Stat()), "what is not a bus stays")
				_ = stranger.Remove()
			})
		}, false},
		"only the semaphores are left": {"orphaned-semaphores", func(t *testing.T, b *bus.Bus, path string) {
			require.NoError(t, removeSegment(b))
			require.NoError(t, os.Remove(path))
		}, false},
		"a dead client": {"dead-clients", func(t *testing.T, b *bus.Bus, _ string) {
			again, err := bus.Open(b.Name())
			require.NoError(t, err)
			p := startBussub(t, again)
			require.NoError(t, again.Close()) // or it clears what the dead left
			p.Kill()
		}, true},
		"another mode": {"permissions", func(t *testing.T, b *bus.Bus, path string) { require.NoError(t, os.Chmod(path, 0o640)) }, true},
		"another owner": {"permissions", func(t *testing.T, b *bus.Bus, path string) {
			if os.Geteuid() != 0 {
				t.Skip("needs root to give a file away")
			}
			require.NoError(t, os.Chown(path, 4242, 4242))
		}, true},
	}
	for name, state := range states {
		for _, where := range []string{"default", "--dir"} {
			t.Run(name+"/"+where, func(t *testing.T) {
				needNamespace(t)
				dir := filepath.Join(t.TempDir(), "it's")
				require.NoError(t, os.Mkdir(dir, 0o755))
				t.Setenv("SHMBUS_DIR", dir)
				healthy := makeBus(t, "healthy")
				healthy.Close()
				b := makeBus(t, "prices")
				b.Close()
				state.make(t, b, filepath.Join(dir, "prices.shmbus"))
				var args []string
				if where == "--dir" {
					testproc.Folder(t)
					args = []string{"--dir", dir}
				}
				found, _ := diagnose(t, args...)
				require.Contains(t, found, state.check)
				require.NotEmpty(t, found[state.check].Command, found[state.check].Advice)
				r := runShell(t, found[state.check].Command)
				require.Zero(t, r.code, "%s\n%s%s", found[state.check].Command, r.stdout, r.stderr)
				found, code := diagnose(t, args...)
				require.Zero(t, code, found)
				require.Empty(t, found)
				t.Setenv("SHMBUS_DIR", dir)
				require.Equal(t, "live", busList(t)["healthy"])
				require.Equal(t, state.lives, busList(t)["prices"] == "live")
			})
		}
	}
}

// Doctor gives no command, and --fix does nothing, where a bus may be in order that it cannot
// judge.
func TestAdviceHarmsNobody(t *testing.T) {
	for name, state := range map[string]struct {
		check string
		make  func(t *testing.T, b *bus.Bus, path string) []string
		says  string
	}{
		"of another version, in use": {"other-version", func(t *testing.T, b *bus.Bus, _ string) []string {
			_, err := b.Subscribe(">")
			require.NoError(t, err)
			setHeader(t, b, layout.HeaderVersion, 77)
			return nil
		}, "with the busd of that version"},
		"in another folder": {"orphaned-segment", func(t *testing.T, b *bus.Bus, _ string) []string {
			b.Close()
			testproc.Folder(t)
			return nil
		}, "the bus is in order: name the folder with --dir"},
		"in another namespace": {"other-namespace", func(t *testing.T, b *bus.Bus, path string) []string {
			b.Close()
			return []string{"unshare", "--ipc"}
		}, "look at the bus there"},
	} {
		t.Run(name, func(t *testing.T) {
			needNamespace(t)
			dir := testproc.Folder(t)
			b := makeBus(t, "prices")
			wrap := state.make(t, b, filepath.Join(dir, "prices.shmbus"))
			doctor := func(args ...string) string {
				args = append(append(append([]string{}, wrap...), binary(), "doctor"), args...)
				var out bytes.Buffer
				cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
				cmd.Stdout, cmd.Stderr = &out, &out
				_ = cmd.Run()
				return out.String()
			}
			out := doctor("--fix")
			require.Contains(t, out, state.check+": ")
			require.Contains(t, out, state.says)
			require.NotRegexp(t, `ipcrm|busd rm|\brm /|fixed +`+state.check, out)
			require.NoError(t, errorOf(sysvshm.FromID(b.ShmID()).Stat()))
			require.NoError(t, errorOf(sysvsem.FromID(b.SemID()).Stat()))
			require.FileExists(t, filepath.Join(dir, "prices.shmbus"))
		})
	}
}

// The command for a limit of the kernel that is too low makes room for a bus.
func TestAdviceOnLimits(t *testing.T) {
	needNamespace(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root to set limits")
	}
	for key, low := range map[string]string{
		"sem": "250 32000 32 128", "shmmax": "1048576", "shmall": "16", "shmmni": "0",
	} {
		t.Run(key, func(t *testing.T) {
			testproc.Folder(t)
			path := "/proc/sys/kernel/" + key
			before, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, []byte(low), 0o644))
			defer os.WriteFile(path, before, 0o644)
			r := busd(t, "create", "prices")
			require.NotZero(t, r.code)
			found, code := diagnose(t)
			require.Equal(t, 1, code)
			m := regexp.MustCompile(`^sysctl -w kernel\.(\w+)="?([\d ]+)"?`).FindStringSubmatch(found["kernel-limits"].Advice)
			require.NotNil(t, m, found["kernel-limits"].Advice)
			require.NoError(t, os.WriteFile("/proc/sys/kernel/"+m[1], []byte(m[2]), 0o644)) // what sysctl does
			found, code = diagnose(t)
			require.Zero(t, code, found)
			removeAfter(t, "prices")
			require.Zero(t, busd(t, "create", "prices").code)
		})
	}
}

// rm does not promise what --force cannot do.
func TestRmAdvice(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to become another user")
	}
	testproc.Folder(t)
	makeBus(t, "prices").Close()
	for _, args := range [][]string{{"rm", "prices"}, {"rm", "--force", "prices"}} {
		cmd := testproc.Command("busd", args...)
		cmd.SysProcAttr = asUser(4242)
		out, err := cmd.CombinedOutput()
		require.Error(t, err)
		require.NotContains(t, string(out), "busd rm --force")
		require.Regexp(t, `owner|owns`, string(out))
	}
	b := makeBus(t, "other")
	setHeader(t, b, layout.HeaderVersion, 77)
	r := busd(t, "rm", "other")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "only the busd of that version can see")
	require.NoError(t, errorOf(sysvshm.FromID(b.ShmID()).Stat()))
}
