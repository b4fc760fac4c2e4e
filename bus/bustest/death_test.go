//go:build linux

package bustest_test

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/bus/bustest"
	"shmbus/internal/testload"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// envSubject makes this program the subject of a test: it runs TestSubject, which does as it says.
const envSubject = "BUSTEST_TEST_SUBJECT"

// A subject makes a bus and a stopped peer, says what they are, and ends in a way of its own.
var subjects = map[string]func(t *testing.T){
	"passes":                           func(t *testing.T) {},
	"fails":                            func(t *testing.T) { t.FailNow() },
	"panics":                           func(t *testing.T) { panic("as it should") },
	"panics in a goroutine":            func(t *testing.T) { go panic("as it should"); select {} },
	"exits":                            func(t *testing.T) { os.Exit(3) },
	"times out":                        func(t *testing.T) { select {} },
	"is killed":                        func(t *testing.T) { select {} },
	"is killed with its process group": func(t *testing.T) { select {} },
	"is interrupted":                   func(t *testing.T) { select {} },
	"makes buses of its own, is killed": func(t *testing.T) {
		b, err := bus.Create("own")
		require.NoError(t, err)
		tell(t, b)
		select {}
	},
}

func TestSubject(t *testing.T) {
	f := subjects[os.Getenv(envSubject)]
	if f == nil {
		return
	}
	b := bustest.New(t)
	tell(t, b)
	p := bustest.StartPeer(t, b, ">", 0)
	p.Stop()
	fmt.Println("pid", p.Pid())
	fmt.Println("made")
	f(t)
}

func tell(t *testing.T, b *bus.Bus) {
	s, err := b.Snapshot()
	require.NoError(t, err)
	fmt.Println("object", s.ShmID, s.SemID, s.Path)
}

// Whatever ends a test, its buses, their folder and its peers end with it.
func TestNothingIsLeft(t *testing.T) {
	for name := range subjects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command("/proc/self/exe", "-test.run=^TestSubject$")
			if name == "times out" {
				cmd.Args = append(cmd.Args, "-test.timeout=1s")
			}
			left := start(t, cmd, name)
			switch name {
			case "is killed", "makes buses of its own, is killed":
				require.NoError(t, cmd.Process.Kill())
			case "is killed with its process group":
				require.NoError(t, unix.Kill(-cmd.Process.Pid, unix.SIGKILL))
			case "is interrupted":
				require.NoError(t, unix.Kill(-cmd.Process.Pid, unix.SIGINT))
			}
			err := cmd.Wait()
			require.Equal(t, name == "passes", err == nil, "%v", err)
			left.gone(t)
		})
	}
}

// leavings are what a subject has made.
type leavings struct {
	shm, sem []int
	paths    []string
	pids     []int
}

// start starts a subject and returns what it has made when it says that it is ready.
func start(t *testing.T, cmd *exec.Cmd, name string) leavings {
	t.Helper()
	cmd.Env = append(os.Environ(), envSubject+"="+name, "SHMBUS_DIR=/nowhere")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var all leavings
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "made" {
		all.add(lines.Text())
	}
	if name == "makes buses of its own, is killed" {
		require.True(t, lines.Scan())
		all.add(lines.Text())
		require.Len(t, all.shm, 2)
	}
	require.NotEmpty(t, all.shm, "%s", name)
	return all
}

func (l *leavings) add(text string) {
	var shm, sem, pid int
	var path string
	if n, _ := fmt.Sscanf(text, "object %d %d %s", &shm, &sem, &path); n == 3 {
		l.shm, l.sem, l.paths = append(l.shm, shm), append(l.sem, sem), append(l.paths, path)
	}
	if n, _ := fmt.Sscanf(text, "pid %d", &pid); n == 1 {
		l.pids = append(l.pids, pid)
	}
}

// gone waits until nothing is left.
func (l leavings) gone(t *testing.T) {
	t.Helper()
	defer func() {
		if left := l.what(); left != "" {
			t.Errorf("left: %s", left)
		}
	}()
	testload.Eventually(t, "nothing is left", func() bool { return l.what() == "" })
}

func (l leavings) what() string {
	var left []string
	for _, id := range l.shm {
		if _, err := sysvshm.FromID(id).Stat(); !errors.Is(err, sysvshm.ErrRemoved) {
			left = append(left, fmt.Sprint("segment ", id))
		}
	}
	for _, id := range l.sem {
		if _, err := sysvsem.FromID(id).Stat(); !errors.Is(err, sysvsem.ErrRemoved) {
			left = append(left, fmt.Sprint("set ", id))
		}
	}
	for _, path := range l.paths {
		if _, err := os.Stat(path[:strings.LastIndex(path, "/")]); !errors.Is(err, os.ErrNotExist) {
			left = append(left, path)
		}
	}
	for _, pid := range l.pids {
		if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.HasPrefix(string(comm), "bustest") {
			left = append(left, fmt.Sprint("process ", pid))
		}
	}
	return strings.Join(left, ", ")
}

// TestRestless makes and removes buses until it is killed.
func TestRestless(t *testing.T) {
	if os.Getenv(envSubject) != "restless" {
		return
	}
	for i := range 4 {
		t.Run("parallel", func(t *testing.T) {
			t.Parallel()
			for {
				t.Run("bus", func(t *testing.T) {
					b := bustest.New(t, bus.WithSlots(8))
					if i == 0 {
						bustest.StartPeer(t, b, ">", 0).Stop()
					}
				})
			}
		})
	}
}

// Killed at any moment, also within New and while a bus is removed, a test leaves nothing.
func TestKilledAtAnyMoment(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	tmp := t.TempDir()
	before := objects(t)
	for range rounds {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestRestless$")
		cmd.Env = append(os.Environ(), envSubject+"=restless", "TMPDIR="+tmp)
		require.NoError(t, cmd.Start())
		time.Sleep(20*time.Millisecond + rand.N(200*time.Millisecond))
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait())
	}
	testload.Eventually(t, "neither a folder nor an object is left", func() bool {
		entries, err := os.ReadDir(tmp)
		return err == nil && len(entries) == 0 && objects(t) <= before
	})
}

// objects counts the System V objects of this namespace.
func objects(t *testing.T) int {
	n := 0
	for _, kind := range []string{"shm", "sem"} {
		b, err := os.ReadFile("/proc/sysvipc/" + kind)
		require.NoError(t, err)
		n += strings.Count(string(b), "\n")
	}
	return n
}
