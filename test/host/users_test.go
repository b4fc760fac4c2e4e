//go:build linux

package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/testload"
	"shmbus/internal/testproc"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// A user of this host. The groups are those of shared work; each has one of its own as well.
type user struct {
	uid, gid uint32
	groups   []uint32
}

const workers = 20001 // a group

var (
	owner    = user{uid: 10001, gid: workers}
	member   = user{uid: 10002, gid: 10002, groups: []uint32{workers}}
	stranger = user{uid: 10003, gid: 10003}
)

func (u user) run(c *exec.Cmd) {
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Credential = &syscall.Credential{Uid: u.uid, Gid: u.gid, Groups: u.groups}
}

// folder makes a folder of the user's, and makes it the folder of key files.
func folder(t *testing.T, u user, mode os.FileMode) string {
	t.Helper()
	top, err := os.MkdirTemp("", "shmbus-host-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(top) })
	require.NoError(t, os.Chmod(top, 0o755))
	dir := filepath.Join(top, "keys")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Chown(dir, int(u.uid), int(u.gid)))
	require.NoError(t, os.Chmod(dir, mode))
	t.Setenv("SHMBUS_DIR", dir)
	t.Setenv("SHMBUS_BUS", "")
	t.Cleanup(func() { clear(t) })
	return dir
}

// clear removes every System V object: all of the namespace are the tests' own.
func clear(t *testing.T) {
	t.Helper()
	for _, id := range segments(t) {
		sysvshm.FromID(id).Remove()
	}
	for _, id := range sets(t) {
		sysvsem.FromID(id).Remove()
	}
}

func segments(t *testing.T) (ids []int) {
	t.Helper()
	list, err := sysvshm.List()
	require.NoError(t, err)
	for _, st := range list {
		ids = append(ids, st.ID)
	}
	return ids
}

func sets(t *testing.T) (ids []int) {
	t.Helper()
	list, err := sysvsem.List()
	require.NoError(t, err)
	for _, st := range list {
		ids = append(ids, st.ID)
	}
	return ids
}

// nothing checks that there is no object, and no key file in the folder.
func nothing(t *testing.T, dir string) {
	t.Helper()
	require.Empty(t, segments(t), "segments")
	require.Empty(t, sets(t), "semaphore sets")
	files, err := filepath.Glob(filepath.Join(dir, "*.shmbus"))
	require.NoError(t, err)
	require.Empty(t, files)
}

// run runs a command to its end.
func run(t *testing.T, c *exec.Cmd) (output string, code int) {
	t.Helper()
	out, err := c.CombinedOutput()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		require.NoError(t, err)
	}
	return string(out), c.ProcessState.ExitCode()
}

// Who may do what: publishing and subscribing take the right to read and write, observing that to
// read, removing ownership. A user who may not is told what it would take, and
// leaves the bus as it is.
func TestModes(t *testing.T) {
	type rights struct{ use, look bool }
	all, look, none := rights{true, true}, rights{look: true}, rights{}
	for _, tt := range []struct {
		mode             string
		member, stranger rights
	}{
		{"0600", none, none},
		{"0660", all, none},
		{"0640", look, none},
		{"0644", look, look},
		{"0664", all, look},
		{"0666", all, all},
	} {
		t.Run(tt.mode, func(t *testing.T) {
			dir := folder(t, owner, 0o755)
			require.Equal(t, report{"create": ""}, ask(t, "create", owner.run, testproc.Env("MODE", tt.mode)))
			before := snapshot(t)
			for _, who := range []struct {
				name string
				user
				rights
			}{{"owner", owner, all}, {"member", member, tt.member}, {"stranger", stranger, tt.stranger}} {
				r := ask(t, "use", who.run)
				for _, op := range []string{"open", "publish", "subscribe"} {
					switch {
					case who.use:
						require.Empty(t, r[op], "%s: %s", who.name, op)
					case who.look:
						require.Contains(t, r[op], "bussub --observe", "%s: %s", who.name, op)
						require.Contains(t, r[op], "need to write (busd --mode, --group)")
					default:
						require.Contains(t, r[op], "permission denied (the bus's mode and group decide", "%s: %s", who.name, op)
					}
				}
				status, code := run(t, as(testproc.Command("busd", "status", busName), who.user))
				printed, subCode := run(t, as(testproc.Command("bussub", "-b", busName, "--observe", "--from", "oldest", "-n", "1"), who.user))
				doctor, doctorCode := run(t, as(testproc.Command("busd", "doctor"), who.user))
				require.Equal(t, 0, doctorCode, "%s: what is not for this user is no problem: %s", who.name, doctor)
				if who.look {
					require.Empty(t, r["observe"], who.name)
					require.Equal(t, 0, code, status)
					require.Equal(t, 0, subCode, printed)
					require.Equal(t, "1\n", printed)
					require.NotContains(t, doctor, "unreadable")
				} else {
					require.Contains(t, r["observe"], "permission denied (the bus's mode and group decide", who.name)
					require.Equal(t, 1, code)
					require.Contains(t, status, "busd --mode")
					require.Equal(t, 1, subCode)
					require.Contains(t, doctor, "unreadable")
				}
				if who.name == "owner" {
					continue
				}
				refused := ask(t, "remove", who.run)["remove"]
				require.Contains(t, refused, "permission denied", who.name)
				require.Contains(t, refused, "owns its key file", who.name)
				for _, args := range [][]string{{"rm", busName}, {"rm", "--force", busName}} {
					out, code := run(t, as(testproc.Command("busd", args...), who.user))
					require.Equal(t, 1, code, "%s: %v: %s", who.name, args, out)
				}
			}
			after := snapshot(t)
			require.Equal(t, "live", after.State)
			require.Equal(t, before.UUID, after.UUID)
			require.Zero(t, after.Deaths)
			out, code := run(t, as(testproc.Command("busd", "rm", busName), owner))
			require.Equal(t, 0, code, out)
			nothing(t, dir)
		})
	}
}

func as(c *exec.Cmd, u user) *exec.Cmd {
	u.run(c)
	return c
}

// snapshot looks at the bus as root.
func snapshot(t *testing.T) bus.Snapshot {
	t.Helper()
	o, err := bus.Observe(busName)
	require.NoError(t, err)
	defer o.Close()
	s, err := o.Snapshot()
	require.NoError(t, err)
	return s
}

// A bus is given to a group by its creator, or by the folder in which its key file is.
func TestGroup(t *testing.T) {
	for _, tt := range []struct {
		name    string
		creator user
		folder  os.FileMode
		owner   string
	}{
		{"by root", user{}, 0o755, "-1:20001"},
		{"by a member", user{uid: 10004, gid: 10004, groups: []uint32{workers}}, 0o777, "-1:20001"},
		{"by the folder", user{uid: 10004, gid: 10004, groups: []uint32{workers}}, os.ModeSetgid | 0o2770, ""},
		{"to a user, by root", user{}, 0o755, "10001:20001"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := folder(t, owner, tt.folder)
			require.Equal(t, report{"create": ""}, ask(t, "create", tt.creator.run, testproc.Env("MODE", "0660"), testproc.Env("OWNER", tt.owner)))
			s := snapshot(t)
			shm, err := sysvshm.FromID(s.ShmID).Stat()
			require.NoError(t, err)
			set, err := sysvsem.FromID(s.SemID).Stat()
			require.NoError(t, err)
			file, err := os.Stat(filepath.Join(dir, busName+".shmbus"))
			require.NoError(t, err)
			uid := int(tt.creator.uid)
			if strings.HasPrefix(tt.owner, "10001") {
				uid = 10001
			}
			sys := file.Sys().(*syscall.Stat_t)
			require.Equal(t, []int{uid, workers, uid, workers, uid, workers}, []int{shm.UID, shm.GID, set.UID, set.GID, int(sys.Uid), int(sys.Gid)})
			require.Equal(t, os.FileMode(0o640), file.Mode().Perm(), "nobody but its owner writes a key file")
			require.Equal(t, os.FileMode(0o660), shm.Mode)
			require.Equal(t, os.FileMode(0o660), set.Mode)

			r := ask(t, "use", member.run)
			require.Equal(t, report{"open": "", "publish": "", "subscribe": "", "observe": ""}, r)
			require.Contains(t, ask(t, "use", stranger.run)["open"], "permission denied")
			out, code := run(t, as(testproc.Command("busd", "doctor", "--json"), member))
			require.Equal(t, 0, code, out)
			require.NoError(t, bus.Remove(busName))
			nothing(t, dir)
		})
	}
	t.Run("to strangers", func(t *testing.T) {
		dir := folder(t, owner, 0o777)
		for _, to := range []string{"-1:20001", "10001:-1"} {
			r := ask(t, "create", stranger.run, testproc.Env("MODE", "0660"), testproc.Env("OWNER", to))
			require.Contains(t, r["create"], "giving a bus to another user needs root, and giving it to a group needs membership in the group", to)
			nothing(t, dir)
		}
	})
	t.Run("by busd", func(t *testing.T) {
		dir := folder(t, owner, 0o755)
		c := as(testproc.Command("busd", "-b", busName, "--mode", "0660", "--group", "20001"), user{})
		require.NoError(t, c.Start())
		defer func() {
			c.Process.Signal(syscall.SIGTERM)
			c.Wait()
			require.NoError(t, bus.Remove(busName))
			nothing(t, dir)
		}()
		testload.Eventually(t, "busd has made the bus", func() bool {
			infos, _ := bus.List()
			return len(infos) == 1 && infos[0].State == "live"
		})
		p := start(t, "echo", member.run, testproc.Env("N", "1"))
		p.next()
		require.Empty(t, ask(t, "use", member.run)["open"])
		p.Kill()
	})
}

// Who owns a bus but not the folder of its key file can not remove it, and does not remove a part.
func TestOwnerWithoutFolder(t *testing.T) {
	folder(t, user{}, 0o755)
	require.Empty(t, ask(t, "create", testproc.Env("OWNER", "10001:20001"))["create"])
	w := start(t, "hold", owner.run)
	w.next()
	require.Contains(t, ask(t, "remove", owner.run)["remove"], "may write to the folder")
	require.Equal(t, "live", snapshot(t).State)
	require.Empty(t, ask(t, "use", owner.run)["publish"])
	w.Kill()
	require.NoError(t, bus.Remove(busName))
}

// An observer that may only read has its memory read-only, can get no other, and receives.
func TestObserverOfAnotherUser(t *testing.T) {
	folder(t, user{}, 0o755)
	b, err := bus.Create(busName, bus.WithMode(0o644), bus.WithSlots(64), bus.WithSlotSize(64))
	require.NoError(t, err)
	defer b.Close()
	p, err := b.Publisher("a.b")
	require.NoError(t, err)
	w := start(t, "observe", stranger.run)
	r := w.next()
	require.Equal(t, "r--s", r["maps"])
	require.Contains(t, r["attach"], "permission denied")
	require.Contains(t, r["post"], "permission denied")
	for _, frame := range []string{"small", strings.Repeat("large", 100)} {
		require.NoError(t, p.PublishRaw(t.Context(), []byte(frame)))
		require.Equal(t, report{"topic": "a.b", "raw": frame}, w.next())
	}
	s, err := b.Snapshot()
	require.NoError(t, err)
	require.Len(t, s.Clients, 1)
	require.Empty(t, s.Subscribers)
	w.Kill()
	_, err = b.Reap()
	require.NoError(t, err)
	s, err = b.Snapshot()
	require.NoError(t, err)
	require.Zero(t, s.Deaths, "nobody notices the death of an observer")
	require.NoError(t, bus.Remove(busName))
}
