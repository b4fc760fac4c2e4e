//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/internal/testproc"
	"shmbus/layout"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// diagnose returns the findings by check, without the infos about busd.
func diagnose(t *testing.T, args ...string) (map[string]finding, int) {
	t.Helper()
	r := busd(t, append([]string{"doctor", "--json"}, args...)...)
	require.Empty(t, r.stderr)
	var list []finding
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &list), r.stdout)
	found := map[string]finding{}
	for _, f := range list {
		if f.Check != "busd" && f.Check != "remove-ipc" {
			require.NotContains(t, found, f.Check)
			found[f.Check] = f
		}
	}
	return found, r.code
}

func TestDoctorFindsNothingWrong(t *testing.T) {
	testproc.Folder(t)
	makeBus(t, "prices")
	found, code := diagnose(t)
	require.Empty(t, found)
	require.Zero(t, code)
	r := busd(t, "doctor")
	require.Contains(t, r.stdout, "info     busd: bus prices: no busd serves it")
	require.Contains(t, r.stdout, "\n0 problems, ")
}

func removeSegment(b *bus.Bus) error { return sysvshm.FromID(b.ShmID()).Remove() }
func removeSet(b *bus.Bus) error     { return sysvsem.FromID(b.SemID()).Remove() }

func TestDoctorFixes(t *testing.T) {
	keyFile := func(b *bus.Bus) string { return filepath.Join(os.Getenv("SHMBUS_DIR"), b.Name()+".shmbus") }
	exists := func(t *testing.T, b *bus.Bus, want bool) {
		_, err := sysvshm.FromID(b.ShmID()).Stat()
		require.Equal(t, want, err == nil, "segment")
		_, err = sysvsem.FromID(b.SemID()).Stat()
		require.Equal(t, want, err == nil, "set")
		_, err = os.Stat(keyFile(b))
		require.Equal(t, want, err == nil, "key file")
	}
	for _, tt := range []struct {
		name, check, text string
		damage            func(*bus.Bus) error
		remains           bool // the bus lives after the treatment
	}{
		{"segment and set gone", "stale-key-file", "is gone", func(b *bus.Bus) error { return errors.Join(removeSegment(b), removeSet(b)) }, false},
		{"segment gone", "stale-key-file", "is gone", removeSegment, false},
		{"set gone", "half-removed", "its semaphores are gone", removeSet, false},
		{"key file gone", "orphaned-segment", `that of a bus "prices"`, func(b *bus.Bus) error { return os.Remove(keyFile(b)) }, false},
		{"key file and segment gone", "orphaned-semaphores", "looks like that of a bus", func(b *bus.Bus) error {
			return errors.Join(os.Remove(keyFile(b)), removeSegment(b))
		}, false},
		{"creator died", "incomplete", "never completed", func(b *bus.Bus) error {
			text, err := os.ReadFile(keyFile(b))
			m, err2 := sysvshm.FromID(b.ShmID()).Attach(sysvshm.ReadWrite)
			if err != nil || err2 != nil {
				return errors.Join(err, err2)
			}
			clear(m.Bytes()[layout.HeaderMagic:8])
			return errors.Join(m.Detach(), os.WriteFile(keyFile(b), []byte(strings.Replace(string(text), `"ready"`, `"creating"`, 1)), 0o600))
		}, false},
		{"modes differ", "permissions", "has mode 0600", func(b *bus.Bus) error { return sysvsem.FromID(b.SemID()).SetPerm(-1, -1, 0o644) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testproc.Folder(t)
			healthy := makeBus(t, "healthy")
			b := makeBus(t, "prices")
			require.NoError(t, b.Close())
			require.NoError(t, tt.damage(b))

			found, code := diagnose(t)
			require.Equal(t, 1, code)
			require.Len(t, found, 1)
			f := found[tt.check]
			require.Equal(t, problem, f.Severity, "%v", found)
			require.Contains(t, f.Text, tt.text)
			require.NotEmpty(t, f.Advice)
			require.False(t, f.Fixed)
			r := busd(t, "doctor")
			require.Contains(t, r.stdout, "problem  "+tt.check)
			require.Contains(t, r.stdout, "do: ")
			if strings.HasPrefix(tt.check, "orphaned") {
				require.Contains(t, f.Advice, "--fix --orphans")
				found, code = diagnose(t, "--fix")
				require.Equal(t, 1, code, "an orphan may belong to a folder that doctor does not know")
				require.False(t, found[tt.check].Fixed)
			} else {
				require.True(t, f.Fixable)
				require.Contains(t, r.stdout, "busd doctor --fix can fix 1")
			}

			args := []string{"--fix"}
			if strings.HasPrefix(tt.check, "orphaned") {
				args = append(args, "--orphans")
			}
			found, code = diagnose(t, args...)
			require.Zero(t, code, "%v", found)
			require.True(t, found[tt.check].Fixed)
			exists(t, b, tt.remains)
			found, code = diagnose(t)
			require.Zero(t, code)
			require.Empty(t, found)
			require.Equal(t, "live", busList(t)[healthy.Name()])
		})
	}
}

func TestDoctorLeavesAloneWhatIsUsed(t *testing.T) {
	dir := testproc.Folder(t)
	b := makeBus(t, "prices") // attached by this process
	require.NoError(t, os.Remove(filepath.Join(dir, "prices.shmbus")))
	found, code := diagnose(t, "--fix", "--orphans")
	require.Zero(t, code)
	require.Equal(t, info, found["orphaned-segment"].Severity)
	require.NoError(t, errorOf(sysvshm.FromID(b.ShmID()).Stat()))

	require.NoError(t, removeSegment(b))
	found, code = diagnose(t, "--fix", "--orphans")
	require.Zero(t, code)
	require.Equal(t, info, found["removed-segment"].Severity)
	require.Equal(t, warning, found["orphaned-semaphores"].Severity, "held by a living client")
	require.NoError(t, errorOf(sysvsem.FromID(b.SemID()).Stat()))
}

func errorOf[T any](_ T, err error) error { return err }

func TestDoctorKnowsOtherFolders(t *testing.T) {
	other := testproc.Folder(t)
	b := makeBus(t, "elsewhere")
	b.Close()
	testproc.Folder(t)
	found, _ := diagnose(t, "--dir", other, "--fix", "--orphans")
	require.Empty(t, found)
	found, code := diagnose(t)
	require.Equal(t, 1, code)
	require.Contains(t, found["orphaned-segment"].Advice, "--dir")
}

func TestDoctorLeavesStrangersAlone(t *testing.T) {
	dir := testproc.Folder(t)
	stranger, err := sysvshm.Get(0x7001, 8192, sysvshm.Create|0o600)
	require.NoError(t, err)
	t.Cleanup(func() { _ = stranger.Remove() })
	key, err := sysvshm.Ftok(dir, 1)
	require.NoError(t, err)
	for name, values := range map[string][]uint16{
		"even":             {0, 0, 0, 0, 0, 0},
		"too few":          {0, 0, 0},
		"no liveness":      {0, 7, 0, 0, 0},
		"not of ftok":      nil,
		"without any name": {},
	} {
		t.Run(name, func(t *testing.T) {
			k, n := key, len(values)
			switch name {
			case "not of ftok":
				k, n = key^0x00ff0000, 5
			case "without any name":
				k, n = sysvsem.Private, 5
			}
			set, err := sysvsem.Get(k, n, sysvsem.Create|sysvsem.Exclusive|0o600)
			require.NoError(t, err)
			defer set.Remove()
			if len(values) > 0 {
				require.NoError(t, set.SetAll(values))
			}
			found, code := diagnose(t, "--fix", "--orphans")
			require.Zero(t, code)
			require.Empty(t, found)
			require.NoError(t, errorOf(set.Stat()))
		})
	}
}

func TestDoctorForeignKeyFile(t *testing.T) {
	dir := testproc.Folder(t)
	b := makeBus(t, "prices")
	b.Close()
	text, err := os.ReadFile(filepath.Join(dir, "prices.shmbus"))
	require.NoError(t, err)
	copied := strings.Replace(string(text), b.UUID(), "00000000-0000-0000-0000-000000000000", 1)
	path := filepath.Join(dir, "copy.shmbus")
	require.NoError(t, os.WriteFile(path, []byte(copied), 0o600))

	found, code := diagnose(t)
	require.Equal(t, 1, code)
	require.Contains(t, found["foreign-key-file"].Text, "copy.shmbus")
	_, code = diagnose(t, "--fix")
	require.Zero(t, code)
	require.NoFileExists(t, path)
	require.Equal(t, map[string]string{"prices": "live"}, busList(t))
}

func TestDoctorKeyFileThatIsNone(t *testing.T) {
	dir := testproc.Folder(t)
	path := filepath.Join(dir, "odd.shmbus")
	require.NoError(t, os.WriteFile(path, []byte("shopping list\n"), 0o600))
	found, code := diagnose(t, "--fix")
	require.Equal(t, 1, code)
	require.Contains(t, found["incomplete"].Command, "rm "+path)
	require.FileExists(t, path)
}

func TestDoctorCreationInProgress(t *testing.T) {
	dir := testproc.Folder(t)
	f, err := os.Create(filepath.Join(dir, "new.shmbus"))
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
	found, code := diagnose(t, "--fix")
	require.Zero(t, code)
	require.Equal(t, info, found["incomplete"].Severity)
	require.FileExists(t, f.Name())
}

func TestDoctorDeadClients(t *testing.T) {
	testproc.Folder(t)
	b := makeBus(t, "prices")
	d := startBusd(t, "-b", "prices")
	require.NoError(t, b.Close(), "nobody is left to hear of the death")
	d.kill()

	found, code := diagnose(t)
	require.Equal(t, 1, code)
	require.Contains(t, found["dead-clients"].Text, fmt.Sprintf("(busd, pid %d)", d.pid()))
	_, code = diagnose(t, "--fix")
	require.Zero(t, code)
	found, code = diagnose(t)
	require.Zero(t, code)
	require.Empty(t, found)
}

func TestDoctorSlotBooks(t *testing.T) {
	testproc.Folder(t)
	b := makeBus(t, "prices")
	mem, err := sysvshm.FromID(b.ShmID()).Attach(sysvshm.ReadWrite)
	require.NoError(t, err)
	_, m, err := layout.DecodeHeader(mem.Bytes(), len(mem.Bytes()))
	require.NoError(t, err)
	// Entry 0 holds what entry 1 does: one slot twice, one nowhere.
	copy(mem.Bytes()[m.Entries.At(0):m.Entries.At(1)], mem.Bytes()[m.Entries.At(1):m.Entries.At(2)])
	require.NoError(t, mem.Detach())
	found, code := diagnose(t, "--fix")
	require.Equal(t, 1, code)
	require.Contains(t, found["slot-books"].Text, "1 found twice, 1 missing")
	require.False(t, found["slot-books"].Fixable)
}

func TestDoctorSaysWhichBusd(t *testing.T) {
	testproc.Folder(t)
	makeBus(t, "prices", bus.WithDaemon())
	require.Contains(t, busd(t, "doctor").stdout, fmt.Sprintf("bus prices: served by busd, pid %d", os.Getpid()))
}

func TestDoctorAsAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to become another user")
	}
	needNamespace(t)
	dir := testproc.Folder(t)
	b := makeBus(t, "prices", bus.WithMode(0o644))
	b.Close()
	makeBus(t, "secret")
	require.NoError(t, os.Remove(filepath.Join(dir, "prices.shmbus")))
	cmd := testproc.Command("busd", "doctor", "--fix", "--orphans")
	cmd.SysProcAttr = asUser(4242)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "you may not look at this bus")
	require.Contains(t, string(out), "of user 0 that no key file")
	require.NoError(t, errorOf(sysvshm.FromID(b.ShmID()).Stat()))
}
