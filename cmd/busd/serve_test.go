//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/internal/testload"
	"shmbus/internal/testproc"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

const patience = 10 * time.Second

// process is a busd that runs.
type process struct {
	t       *testing.T
	proc    *testproc.Process
	manager *manager
}

// startBusd starts busd and waits until it is ready. It is killed at the end of the test, if it
// still runs.
func startBusd(t *testing.T, args ...string) *process {
	t.Helper()
	p := launchBusd(t, args...)
	require.Regexp(t, `^READY=1\nSTATUS=watching`, p.manager.next())
	return p
}

func launchBusd(t *testing.T, args ...string) *process {
	t.Helper()
	dir, err := os.MkdirTemp("", "busd-notify-") // short: a socket's path has 108 bytes
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	p := &process{t: t, manager: newManager(t, socket)}
	cmd := testproc.Command("busd", args...)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket)
	p.proc, err = testproc.Launch(cmd)
	require.NoError(t, err)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("busd %s:\n%s", strings.Join(args, " "), p.text())
		}
	})
	return p
}

func (p *process) pid() int { return p.proc.PID() }

func (p *process) text() string { return p.proc.Stderr() }

// logs waits until the log matches.
func (p *process) logs(pattern string) {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	if !testload.Within(patience, func() bool { return re.MatchString(p.text()) }) {
		require.Fail(p.t, "not logged", "%s\n%s", pattern, p.text())
	}
}

func (p *process) signal(sig os.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.proc.Signal(sig))
}

func (p *process) kill() { p.proc.Kill() }

// ends waits for the process and returns its exit code.
func (p *process) ends() int {
	p.t.Helper()
	if !p.proc.Wait(patience) {
		require.Fail(p.t, "busd does not end", p.text())
	}
	return p.proc.Cmd.ProcessState.ExitCode()
}

// removeAfter removes the buses at the end of the test.
func removeAfter(t *testing.T, names ...string) {
	t.Cleanup(func() {
		for _, name := range names {
			_ = bus.Remove(name)
		}
	})
}

func TestServeLeavesTheBus(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			testproc.Folder(t)
			removeAfter(t, "prices")
			p := startBusd(t, "serve", "-b", "prices", "--slots", "128", "--slot-size", "64", "--mode", "0640")
			p.logs(`msg="created the bus" bus=prices slots=128 slot_size=64 segment="[\d.]+ KiB"`)
			st, err := os.Stat(filepath.Join(os.Getenv("SHMBUS_DIR"), "prices.shmbus"))
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o640), st.Mode())
			require.Regexp(t, `busd      pid `+fmt.Sprint(p.pid()), busd(t, "status", "prices").stdout)

			p.signal(sig)
			require.Equal(t, "STOPPING=1\nSTATUS=stopping", p.manager.next())
			require.Zero(t, p.ends())
			p.logs("left the bus, which stays")
			require.Equal(t, "live", busList(t)["prices"])
			require.Contains(t, busd(t, "status", "prices").stdout, "busd      not running")
		})
	}
}

func TestServeRemovesTheBusOnExit(t *testing.T) {
	testproc.Folder(t)
	p := startBusd(t, "-b", "a,b", "--slots", "64", "--remove-on-exit")
	require.Len(t, busList(t), 2)
	p.signal(unix.SIGTERM)
	require.Zero(t, p.ends())
	require.Empty(t, busList(t))
}

// A bus that exists with another mode or group than asked for keeps them, and busd says so.
func TestServeAdoptsOtherPermissions(t *testing.T) {
	testproc.Folder(t)
	b := makeBus(t, "prices", bus.WithMode(0o640))
	p := startBusd(t, "-b", "prices", "--mode", "0660", "--group", "64999")
	p.logs(`another mode or group than asked for.*mode 0640 instead of 0660, group \S+ instead of 64999`)
	s, err := b.Snapshot()
	require.NoError(t, err)
	require.Equal(t, bus.Mode(0o640), s.Mode)
	p.signal(unix.SIGTERM)
	require.Zero(t, p.ends())
	p = startBusd(t, "-b", "prices", "--mode", "0640")
	require.NotContains(t, p.text(), "another mode or group")
	require.Contains(t, busd(t, "status", "prices").stdout, "access    mode 0640, owner ")
}

func TestServeAdoptsAfterKill(t *testing.T) {
	testproc.Folder(t)
	removeAfter(t, "prices")
	p := startBusd(t, "-b", "prices", "--slots", "128")
	b, err := bus.Open("prices")
	require.NoError(t, err)
	defer b.Close()
	pub, err := b.Publisher("a")
	require.NoError(t, err)
	require.NoError(t, pub.Publish(t.Context(), 1))
	p.kill()
	require.NoError(t, pub.Publish(t.Context(), 2), "everything flows without busd")

	p = startBusd(t, "-b", "prices", "--slots", "256")
	p.logs(`msg="adopted the bus" bus=prices slots=128`)
	p.logs(`other sizes than asked for.*slots 128 instead of 256`)
	require.NotContains(t, p.text(), "another mode or group", "none was asked for")
	require.NotContains(t, p.text(), "another busd", "the killed one does not count")
	require.NoError(t, pub.Publish(t.Context(), 3))
	require.Contains(t, busd(t, "status", "prices").stdout, "head 3")
}

func TestServeLogsDeaths(t *testing.T) {
	testproc.Folder(t)
	removeAfter(t, "prices")
	p := startBusd(t, "-b", "prices", "--slots", "64", "--log-format", "json")
	second := startBusd(t, "-b", "prices")
	second.logs(fmt.Sprintf(`level=WARN msg="another busd serves this bus already.*" bus=prices pid=%d`, p.pid()))
	second.kill()
	p.logs("a client died")
	require.Equal(t, "STATUS=watching 1 bus, 1 death so far", p.manager.next())
	var line map[string]any
	for _, text := range strings.Split(strings.TrimSpace(p.text()), "\n") {
		require.NoError(t, json.Unmarshal([]byte(text), &line), "every line is JSON")
	}
	require.Equal(t, "a client died; cleared what it left", line["msg"])
	require.InDelta(t, second.pid(), line["pid"], 0)
	require.Equal(t, "prices", line["bus"])
	require.Contains(t, busd(t, "status", "prices").stdout, "handled   1 death")
}

// TestServeLogsDeathsThatOthersClear has a subscriber hear of the deaths as soon as busd does.
func TestServeLogsDeathsThatOthersClear(t *testing.T) {
	testproc.Folder(t)
	removeAfter(t, "prices")
	p := startBusd(t, "-b", "prices", "--slots", "64")
	b, err := bus.Open("prices")
	require.NoError(t, err)
	defer b.Close()
	watching, stop := context.WithCancel(t.Context())
	var watcher sync.WaitGroup
	watcher.Go(func() { _ = b.WatchDeaths(watching, nil) })
	defer watcher.Wait()
	defer stop()

	const deaths = 8
	for range deaths {
		startBusd(t, "-b", "prices").kill()
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		n := strings.Count(p.text(), "a client died")
		for _, m := range regexp.MustCompile(`deaths=(\d+)`).FindAllStringSubmatch(p.text(), -1) {
			more, err := strconv.Atoi(m[1])
			require.NoError(t, err)
			n += more
		}
		if n == deaths {
			break
		}
		require.True(t, time.Now().Before(deadline), "%d of %d deaths are logged", n, deaths)
	}
}

func TestServeQuiet(t *testing.T) {
	testproc.Folder(t)
	removeAfter(t, "prices")
	p := startBusd(t, "-b", "prices", "--slots", "64", "--quiet")
	p.signal(unix.SIGTERM)
	require.Zero(t, p.ends())
	require.Empty(t, p.text())
}

func TestServeRereadsItsConfiguration(t *testing.T) {
	dir := testproc.Folder(t)
	removeAfter(t, "a", "b", "c")
	config := filepath.Join(dir, "busd.conf")
	write := func(text string) { require.NoError(t, os.WriteFile(config, []byte(text), 0o600)) }
	write("slots = 64\n[a]\n[b]\nremove-on-exit = true\n")
	p := startBusd(t, "--config", config)

	reload := func(ready string) {
		t.Helper()
		p.signal(unix.SIGHUP)
		require.Regexp(t, `^RELOADING=1\nMONOTONIC_USEC=\d+$`, p.manager.next())
		require.Equal(t, "READY=1\nSTATUS="+ready, p.manager.next())
	}
	write("slots = 64\n[b]\nslots = 128\nremove-on-exit = true\n[c]\n")
	reload("watching 2 buses, 0 deaths so far")
	p.logs(`created the bus" bus=c`)
	p.logs(`no longer in the configuration" bus=a`)
	p.logs(`take effect when busd starts.*bus=b`)
	require.Equal(t, map[string]string{"a": "live", "b": "live", "c": "live"}, busList(t))

	write("[broken\n")
	reload("watching 2 buses, 0 deaths so far")
	p.logs(`level=ERROR msg="the configuration was not taken over".*busd.conf:1`)

	p.signal(unix.SIGTERM)
	require.Zero(t, p.ends())
	require.Equal(t, map[string]string{"a": "live", "c": "live"}, busList(t), "b was to be removed on exit")
}

func TestServeWithoutConfigurationSurvivesHangup(t *testing.T) {
	// busd leaves a signal ignored that it was started with ignored, as nohup does. A program that
	// handles the signal starts others with the default.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, unix.SIGHUP)
	defer signal.Stop(hangup)
	testproc.Folder(t)
	removeAfter(t, "a")
	p := startBusd(t, "-b", "a", "--slots", "64")
	p.signal(unix.SIGHUP)
	p.logs("no configuration file to reread")
	p.signal(unix.SIGTERM)
	require.Zero(t, p.ends())
}

func TestServeWhenTheBusIsRemoved(t *testing.T) {
	for name, remove := range map[string]func(*testing.T, bus.Entry){
		"busd rm": func(t *testing.T, i bus.Entry) { require.Zero(t, busd(t, "rm", i.Name).code) },
		"ipcrm":   func(_ *testing.T, i bus.Entry) { discard(i.ShmID, i.SemID) },
		"ipcrm -s": func(t *testing.T, i bus.Entry) {
			t.Cleanup(func() { _ = sysvshm.FromID(i.ShmID).Remove() })
			require.NoError(t, sysvsem.FromID(i.SemID).Remove())
		},
	} {
		info := func(t *testing.T) bus.Entry {
			infos, err := bus.List()
			require.NoError(t, err)
			require.Len(t, infos, 1)
			return infos[0]
		}
		t.Run(name+", exit", func(t *testing.T) {
			testproc.Folder(t)
			removeAfter(t, "prices")
			p := startBusd(t, "-b", "prices", "--slots", "64")
			remove(t, info(t))
			require.Equal(t, 1, p.ends())
			require.Contains(t, p.text(), "busd: bus prices was removed (--on-removed recreate would make it again)\n")
		})
		t.Run(name+", recreate", func(t *testing.T) {
			testproc.Folder(t)
			removeAfter(t, "prices")
			p := startBusd(t, "-b", "prices", "--slots", "64", "--on-removed", "recreate")
			before := info(t)
			remove(t, before)
			p.logs(`(?s)the bus was removed; making it again.*created the bus`)
			after := info(t)
			require.Equal(t, "live", after.State)
			require.NotEqual(t, before.UUID, after.UUID)
			_, err := sysvshm.FromID(before.ShmID).Stat()
			require.ErrorIs(t, err, sysvshm.ErrRemoved)
			p.signal(unix.SIGTERM)
			require.Zero(t, p.ends())
		})
	}
}

func TestServeGoesOnWithTheOtherBuses(t *testing.T) {
	testproc.Folder(t)
	removeAfter(t, "a", "b")
	p := startBusd(t, "-b", "a,b", "--slots", "64")
	require.Zero(t, busd(t, "rm", "a").code)
	p.logs(`level=ERROR msg="gave up a bus" bus=a`)
	require.Equal(t, "STATUS=watching 1 bus, 0 deaths so far", p.manager.next())
	p.signal(unix.SIGTERM)
	require.Zero(t, p.ends())
	require.Equal(t, map[string]string{"b": "live"}, busList(t))
}

func TestServeFailsWhenABusCanNotBeMade(t *testing.T) {
	dir := testproc.Folder(t)
	removeAfter(t, "good")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.shmbus"), []byte("no key file"), 0o600))
	p := launchBusd(t, "-b", "good,bad", "--slots", "64")
	require.Equal(t, 1, p.ends())
	require.Regexp(t, `(?m)^busd: .*"bad".*not a key file.*$`, p.text())
}

// TestServeIdleCostsNothing: at rest busd looks once a second whether the bus is still there, some
// 300 µs of processor time and ten times that one of its threads runs. In the first five seconds it
// looks 25 times as often.
func TestServeIdleCostsNothing(t *testing.T) {
	testproc.Folder(t)
	removeAfter(t, "prices")
	p := startBusd(t, "-b", "prices", "--slots", "64")
	time.Sleep(6 * time.Second)
	before := testproc.CostOf(p.pid())
	time.Sleep(1500 * time.Millisecond)
	used := testproc.CostOf(p.pid()).Minus(before)
	require.Less(t, used.Time, 10*time.Millisecond, "processor time")
	require.Less(t, used.Runs, 100, "times that a thread ran")
}
