//go:build linux

package host

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/internal/testload"
	"shmbus/internal/testproc"
	"shmbus/sysvshm"
)

// A folder that can not be used is an error that says so, and nothing is made.
func TestFolderPermissions(t *testing.T) {
	t.Run("not writable", func(t *testing.T) {
		dir := folder(t, owner, 0o755)
		r := ask(t, "create", stranger.run)
		require.Contains(t, r["create"], "permission denied")
		require.Contains(t, r["create"], "SHMBUS_DIR")
		nothing(t, dir)
	})
	t.Run("not to be made", func(t *testing.T) {
		dir := folder(t, owner, 0o755)
		r := ask(t, "create", stranger.run, testproc.Env("SHMBUS_DIR", filepath.Join(dir, "below")))
		require.Contains(t, r["create"], "SHMBUS_DIR")
		nothing(t, dir)
	})
	t.Run("not searchable", func(t *testing.T) {
		folder(t, owner, 0o700)
		require.Empty(t, ask(t, "create", owner.run, testproc.Env("MODE", "0666"))["create"])
		r := ask(t, "use", member.run)
		require.Contains(t, r["open"], "permission denied")
		require.Contains(t, r["observe"], "permission denied")
		require.Empty(t, ask(t, "remove", owner.run)["remove"])
	})
}

// The folder that is made for a bus lets in whom the bus lets in, under the umasks of hardened
// hosts, too.
func TestFolderUnderUmask(t *testing.T) {
	for _, maker := range []user{{}, owner} {
		for _, umask := range []string{"022", "027", "077", "0777"} {
			t.Run(fmt.Sprintf("user %d, umask %s", maker.uid, umask), func(t *testing.T) {
				dir := filepath.Join(folder(t, maker, 0o755), "made", "for it")
				place := testproc.Env("SHMBUS_DIR", dir)
				r := ask(t, "create", maker.run, place, testproc.Env("MODE", "0666"), testproc.Env("UMASK", umask))
				require.Empty(t, r["create"])
				require.Empty(t, ask(t, "use", stranger.run, place)["publish"])
				require.Equal(t, report{"list": "host live", "error": ""}, ask(t, "list", stranger.run, place))
				require.Empty(t, ask(t, "remove", maker.run, place)["remove"])
			})
		}
	}
}

// What must not be looked into is not empty.
func TestFolderThatMustNotBeRead(t *testing.T) {
	dir := folder(t, owner, 0o700)
	r := ask(t, "list", stranger.run)
	require.Contains(t, r["error"], "the folder of key files "+dir+" has mode 0700, user 10001")
	require.Contains(t, ask(t, "use", stranger.run)["open"], "does not let user 10003 look into it")
	for _, args := range [][]string{{"ls"}, {"ls", "--json"}, {"doctor"}} {
		out, code := run(t, as(testproc.Command("busd", args...), stranger))
		require.Equal(t, 1, code, out)
		require.Contains(t, out, "permission denied", args)
	}
}

// A user has more than one default folder: processes with and without a runtime folder find each
// other's buses, a private bus's folder is opened to others for a shared one, and what somebody
// else made of one of them is passed over.
func TestDefaultFolders(t *testing.T) {
	folder(t, user{}, 0o755)
	tmp := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(tmp), 0o755))
	require.NoError(t, os.Chmod(tmp, os.ModeSticky|0o777))
	session := filepath.Join(tmp, "runtime")
	require.NoError(t, os.Mkdir(session, 0o755))
	require.NoError(t, os.Chown(session, int(owner.uid), int(owner.gid)))
	service := []func(*exec.Cmd){owner.run, testproc.Env("SHMBUS_DIR", ""), testproc.Env("XDG_RUNTIME_DIR", ""), testproc.Env("TMPDIR", tmp)}
	login := []func(*exec.Cmd){owner.run, testproc.Env("SHMBUS_DIR", ""), testproc.Env("XDG_RUNTIME_DIR", session), testproc.Env("TMPDIR", tmp)}

	require.Empty(t, ask(t, "create", append(service, testproc.Env("UMASK", "077"))...)["create"])
	dir := filepath.Join(tmp, fmt.Sprintf("shmbus-%d", owner.uid))
	mode := func() os.FileMode {
		st, err := os.Stat(dir)
		require.NoError(t, err)
		return st.Mode().Perm()
	}
	require.Equal(t, os.FileMode(0o700), mode())
	require.Empty(t, ask(t, "use", login...)["open"], "a session finds it")
	require.Contains(t, ask(t, "create", service...)["create"], "exist")
	require.Empty(t, ask(t, "remove", login...)["remove"])
	require.Empty(t, ask(t, "create", append(service, testproc.Env("UMASK", "077"), testproc.Env("MODE", "0666"))...)["create"])
	require.Equal(t, os.FileMode(0o755), mode())
	require.Empty(t, ask(t, "remove", service...)["remove"])

	require.NoError(t, os.Chown(dir, int(stranger.uid), int(stranger.gid)))
	require.NoError(t, os.Chmod(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, busName+".shmbus"), nil, 0o666))
	require.Equal(t, report{"list": "", "error": ""}, ask(t, "list", login...))
	require.Contains(t, ask(t, "use", login...)["open"], "there is no such bus")
	require.Empty(t, ask(t, "create", login...)["create"])
	require.Empty(t, ask(t, "remove", login...)["remove"])
}

// A lost key file is written again by clients of the bus's owner and of root only, and is the
// owner's again; a file of anybody else's is not written to.
func TestLostKeyFileOfOthersBus(t *testing.T) {
	dir := folder(t, user{}, os.ModeSticky|0o777)
	path := filepath.Join(dir, busName+".shmbus")
	require.Empty(t, ask(t, "create", owner.run, testproc.Env("MODE", "0666"))["create"])
	guest := start(t, "echo", stranger.run, testproc.Env("N", "1"))
	guest.next()
	require.NoError(t, os.Remove(path))
	time.Sleep(300 * time.Millisecond) // several turns of who waits
	require.NoFileExists(t, path)
	require.Contains(t, ask(t, "use", member.run)["open"], "client that waits and runs as root or user 10001")

	require.NoError(t, os.WriteFile(path, nil, 0o666))
	require.NoError(t, os.Chown(path, int(stranger.uid), int(stranger.gid)))
	host, err := bus.OpenKey(lostKey(t))
	require.NoError(t, err)
	require.NoError(t, host.Close())
	require.ErrorIs(t, bus.Restore(busName, host.ShmID()), bus.ErrExists, "a planted file")
	require.NoError(t, os.Remove(path))
	require.ErrorIs(t, restoreAs(t, stranger, host.ShmID()), os.ErrPermission)
	require.NoError(t, bus.Restore(busName, host.ShmID()))

	root := start(t, "echo", testproc.Env("N", "2"))
	root.next()
	require.NoError(t, os.Remove(path))
	testload.Eventually(t, "root's client writes it", func() bool {
		st, err := os.Stat(path)
		return err == nil && st.Size() > 0
	})
	st, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o644), st.Mode())
	require.Equal(t, owner.uid, st.Sys().(*syscall.Stat_t).Uid)
	require.Empty(t, ask(t, "use", member.run)["publish"])
	guest.Kill()
	root.Kill()
	require.Empty(t, ask(t, "remove", owner.run)["remove"])
	nothing(t, dir)
}

// lostKey returns the key of the one bus there is.
func lostKey(t *testing.T) int32 {
	segs, err := sysvshm.List()
	require.NoError(t, err)
	require.Len(t, segs, 1)
	return segs[0].Key
}

// restoreAs has a user run busd restore.
func restoreAs(t *testing.T, u user, shmid int) error {
	out, code := run(t, as(testproc.Command("busd", "restore", busName, "--shmid", fmt.Sprint(shmid)), u))
	if code == 0 {
		return nil
	}
	require.Contains(t, out, "only that user or root may write its key file")
	return os.ErrPermission
}

// The default folder of a user below /tmp is used only if it is the user's own: others can have
// made it first.
func TestDefaultFolder(t *testing.T) {
	own := fmt.Sprintf("shmbus-%d", owner.uid)
	squat := func(t *testing.T, prepare func(tmp, dir string)) (create, list report, dir string) {
		folder(t, user{}, 0o755)
		tmp := t.TempDir()
		require.NoError(t, os.Chmod(filepath.Dir(tmp), 0o755))
		require.NoError(t, os.Chmod(tmp, os.ModeSticky|0o777))
		dir = filepath.Join(tmp, own)
		prepare(tmp, dir)
		place := []func(*exec.Cmd){owner.run, testproc.Env("SHMBUS_DIR", ""), testproc.Env("XDG_RUNTIME_DIR", ""), testproc.Env("TMPDIR", tmp)}
		return ask(t, "create", place...), ask(t, "list", place...), dir
	}
	t.Run("its own", func(t *testing.T) {
		create, list, dir := squat(t, func(string, string) {})
		require.Empty(t, create["create"])
		require.Equal(t, report{"list": "host live", "error": ""}, list)
		require.NoError(t, bus.Remove(busName, bus.WithDir(dir)))
		nothing(t, dir)
	})
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, tmp, dir string)
	}{
		{"another's folder", func(t *testing.T, tmp, dir string) {
			require.NoError(t, os.Mkdir(dir, 0o700))
			require.NoError(t, os.Chown(dir, int(stranger.uid), int(stranger.gid)))
			require.NoError(t, os.Chmod(dir, 0o777))
		}},
		{"a folder that others may write to", func(t *testing.T, tmp, dir string) {
			require.NoError(t, os.Mkdir(dir, 0o700))
			require.NoError(t, os.Chown(dir, int(owner.uid), int(owner.gid)))
			require.NoError(t, os.Chmod(dir, 0o775))
		}},
		{"a link to a folder of its own", func(t *testing.T, tmp, dir string) {
			target := filepath.Join(tmp, "target")
			require.NoError(t, os.Mkdir(target, 0o700))
			require.NoError(t, os.Chown(target, int(owner.uid), int(owner.gid)))
			require.NoError(t, os.Symlink(target, dir))
			require.NoError(t, os.Lchown(dir, int(stranger.uid), int(stranger.gid)))
		}},
		{"a file", func(t *testing.T, tmp, dir string) {
			require.NoError(t, os.WriteFile(dir, nil, 0o666))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			create, list, dir := squat(t, func(tmp, dir string) {
				tt.prepare(t, tmp, dir)
				// What is planted there must not be found.
				os.WriteFile(filepath.Join(dir, "planted.shmbus"), nil, 0o666)
			})
			require.NotEmpty(t, create["create"])
			if tt.name != "a file" {
				require.Contains(t, create["create"], dir+" must be a folder that belongs to user 10001")
				require.Contains(t, create["create"], "SHMBUS_DIR")
			}
			require.NotContains(t, list["list"], "planted")
			require.Empty(t, segments(t))
		})
	}
}

// In a folder in which everybody may make files, as /tmp, the name of a key file may be planted by
// another user. Nobody is led into another file by it, made to wait, or made to remove what is not
// the bus's.
func TestPlantedKeyFile(t *testing.T) {
	shared := func(t *testing.T) (dir, path string) {
		dir = folder(t, user{}, os.ModeSticky|0o777)
		return dir, filepath.Join(dir, busName+".shmbus")
	}
	t.Run("a link to a file of the victim", func(t *testing.T) {
		dir, path := shared(t)
		victim := filepath.Join(filepath.Dir(dir), "file")
		require.NoError(t, os.WriteFile(victim, nil, 0o644))
		for _, target := range []string{victim, victim + "-that-is-not-there"} {
			require.NoError(t, os.Symlink(target, path))
			require.NoError(t, os.Lchown(path, int(stranger.uid), int(stranger.gid)))
			_, err := bus.Create(busName, bus.WithMode(0o666))
			require.ErrorContains(t, err, "symbolic link")
			_, err = bus.Open(busName)
			require.ErrorContains(t, err, "symbolic link")
			require.NoError(t, os.Remove(path))
		}
		st, err := os.Stat(victim)
		require.NoError(t, err)
		require.Zero(t, st.Size())
		require.Equal(t, os.FileMode(0o644), st.Mode())
		require.NoFileExists(t, victim+"-that-is-not-there")
		require.Empty(t, segments(t))
	})
	t.Run("a pipe", func(t *testing.T) {
		_, path := shared(t)
		require.NoError(t, unix.Mkfifo(path, 0o666))
		require.NoError(t, os.Chmod(path, 0o666))
		for _, role := range []string{"create", "remove", "use"} {
			for _, err := range ask(t, role, owner.run) {
				require.Contains(t, err, "not a regular file", role)
			}
		}
	})
	t.Run("an empty file", func(t *testing.T) {
		_, path := shared(t)
		plant := func() {
			require.NoError(t, os.WriteFile(path, nil, 0o666))
			require.NoError(t, os.Chmod(path, 0o666))
			require.NoError(t, os.Chown(path, int(stranger.uid), int(stranger.gid)))
		}
		plant()
		require.Contains(t, ask(t, "create", owner.run)["create"], "owns its key file")
		require.Empty(t, segments(t))

		// Root takes the name: with a file of its own, since who planted the other may have it
		// open.
		planted, err := os.OpenFile(path, os.O_RDWR, 0)
		require.NoError(t, err)
		defer planted.Close()
		b, err := bus.Create(busName)
		require.NoError(t, err)
		require.NoError(t, b.Close())
		_, err = planted.WriteAt([]byte("{}"), 0)
		require.NoError(t, err)
		require.Equal(t, "live", snapshot(t).State)
		require.NoError(t, bus.Remove(busName))
	})
	for _, state := range []string{"ready", "creating"} {
		t.Run("one that names another's bus, "+state, func(t *testing.T) {
			dir, path := shared(t)
			require.Empty(t, ask(t, "create", owner.run, testproc.Env("MODE", "0644"))["create"])
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			var k map[string]any
			require.NoError(t, json.Unmarshal(b, &k))
			k["state"] = state
			b, err = json.Marshal(k)
			require.NoError(t, err)
			lure := filepath.Join(dir, "lure.shmbus")
			require.NoError(t, os.WriteFile(lure, b, 0o666))
			require.NoError(t, os.Chown(lure, int(stranger.uid), int(stranger.gid)))

			require.ErrorContains(t, bus.Remove("lure"), "belongs to user 10003")
			_, err = bus.Create("lure")
			require.Error(t, err)
			doctor, _ := run(t, testproc.Command("busd", "doctor", "--fix", "--orphans"))
			s := snapshot(t)
			require.Equal(t, "live", s.State, doctor)
			require.Contains(t, ask(t, "use", stranger.run)["open"], "bussub --observe", "the bus was not given away: %s", doctor)
			require.Empty(t, ask(t, "remove", owner.run)["remove"])
		})
	}
	t.Run("in place of another's", func(t *testing.T) {
		_, path := shared(t)
		require.Empty(t, ask(t, "create", owner.run, testproc.Env("MODE", "0666"))["create"])
		st, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o644), st.Mode(), "who may write it says which bus the name is")
		require.Contains(t, ask(t, "remove", stranger.run)["remove"], "owns its key file")
		require.Contains(t, ask(t, "create", stranger.run)["create"], "owns its key file")
		require.Empty(t, ask(t, "use", stranger.run)["publish"])
		require.Empty(t, ask(t, "remove", owner.run)["remove"])
	})
}
