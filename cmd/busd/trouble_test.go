//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/testproc"
)

// troubleAt is a bus of 64 slots with a reliable reader and a lossy one, at a time.
func troubleAt(second float64, head uint64) bus.Snapshot {
	return bus.Snapshot{
		Name: "prices", State: "live", SemID: -1, Sizes: bus.Sizes{Slots: 64}, Head: head,
		Taken:      time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(second * float64(time.Second))),
		Publishers: []bus.PublisherStatus{{Index: 0, Client: 0, Pid: 10, Name: "feed", Topic: "eu.a", Alive: true}},
		Subscribers: []bus.SubscriberStatus{
			{Index: 0, Client: 1, Pid: 11, Name: "reader", Pattern: "eu.>", Policy: "evict", Gate: "closed", Alive: true, Position: head},
			{Index: 1, Client: 2, Pid: 12, Name: "viewer", Pattern: ">", Policy: "lossy", Gate: "open", Alive: true, Position: head},
		},
	}
}

// blockedAt is the same with a reader that stands at position 100.
func blockedAt(second float64) bus.Snapshot {
	s := troubleAt(second, 164)
	s.Subscribers[0].Position, s.Subscribers[0].Lag = 100, 64
	s.Publishers[0].Waiting = true
	s.FindBlocker()
	return s
}

func TestTroubleLog(t *testing.T) {
	var out bytes.Buffer
	tr := &trouble{log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))}
	look := func(s bus.Snapshot, moves bool) string {
		t.Helper()
		out.Reset()
		require.Equal(t, moves, tr.look(s))
		return out.String()
	}
	require.Empty(t, look(troubleAt(0, 90), false))
	require.Empty(t, look(troubleAt(1, 100), true))
	require.Empty(t, look(troubleAt(2, 100), false), "nothing moves")

	require.Empty(t, look(blockedAt(3), true), "just now")
	require.Equal(t, `level=WARN msg="publishers wait for a subscriber that does not read (busd evict ends that)" pid=11 name=reader pattern=eu.> policy=evict stopped=false behind=64 waiting=1 for=1s`+"\n",
		look(blockedAt(4), true))
	require.Empty(t, look(blockedAt(5), true), "it is said already")
	require.Contains(t, look(blockedAt(64), true), "for=1m1s", "a minute later it is said again")

	s := troubleAt(65, 200)
	s.Evictions, s.Subscribers[0].Gate, s.Subscribers[0].Lag = 3, "evicted", 100
	log := look(s, true)
	require.Contains(t, log, `msg="publishers have given up waiting for a subscriber" now=evicted pid=11 name=reader pattern=eu.> behind=100`)
	require.Contains(t, log, `msg="publishers have given up waiting for subscribers that have left since" count=2`)
	require.Contains(t, log, `msg="publishers no longer wait for this subscriber" pid=11 name=reader pattern=eu.> waited=1m2s`)

	lose := func(second float64, lost uint64) string {
		s := troubleAt(second, 200)
		s.Evictions, s.Subscribers[0].Gate = 3, "evicted"
		s.Subscribers[1].Lost, s.Subscribers[1].Losses = lost, 2
		out.Reset()
		tr.look(s)
		return out.String()
	}
	require.Equal(t, `level=WARN msg="a subscriber has lost messages" pid=12 name=viewer pattern=> policy=lossy positions=7 positions_in_all=7 losses=2`+"\n", strings.ReplaceAll(lose(66, 7), `">"`, ">"))
	require.Empty(t, lose(67, 9), "once a minute")
	require.Contains(t, lose(126, 19), "positions=12 positions_in_all=19", "what was not said is said then")
	require.Empty(t, lose(127, 19))
	require.Contains(t, lose(128, 5), "positions=5 positions_in_all=5", "a record of another owner")
}

// What was lost, and whom publishers gave up, before busd came is not news.
func TestTroubleBeforeBusd(t *testing.T) {
	var out bytes.Buffer
	tr := &trouble{log: slog.New(slog.NewTextHandler(&out, nil))}
	s := troubleAt(0, 100)
	s.Evictions, s.Subscribers[0].Gate, s.Subscribers[1].Lost = 1, "evicted", 7
	tr.look(s)
	tr.look(s)
	require.Empty(t, out.String())
}

func TestBlocked(t *testing.T) {
	require.Equal(t, "reader (pid 11), which subscribes to eu.> with policy evict, does not read and is 64 positions behind; 1 publisher waits", blocked(blockedAt(0).BlockedBy))
}

// A stopped reliable subscriber that leaves publishers no room is named by everything that looks at
// the bus, with what to do, which helps.
func TestStoppedSubscriber(t *testing.T) {
	testproc.Folder(t)
	b := makeBus(t, "prices")
	daemon := startBusd(t, "-b", "prices")
	reader := startBussub(t, b, "--reliable", "eu.>")
	pid := strconv.Itoa(reader.PID())
	require.NoError(t, reader.Stop())
	require.Regexp(t, `(?m)^ +`+pid+` .* stopped `, busd(t, "status", "prices").stdout, "before anybody waits for it")

	p, err := b.Publisher("eu.a")
	require.NoError(t, err)
	published := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < 65 && err == nil; i++ {
			err = p.Publish(t.Context(), i)
		}
		published <- err
	}()
	require.Eventually(t, func() bool { s, err := b.Snapshot(); return err == nil && s.BlockedBy != nil }, patience, time.Millisecond)

	status := busd(t, "status", "prices").stdout
	require.Contains(t, status, "BLOCKED   by bussub (pid "+pid+"), which subscribes to eu.> with policy reliable, is stopped and is 64 positions behind")
	var j bus.Snapshot
	require.NoError(t, json.Unmarshal([]byte(busd(t, "status", "prices", "--json").stdout), &j))
	require.NotNil(t, j.BlockedBy)
	require.Equal(t, reader.PID(), j.BlockedBy.Pid)
	require.True(t, j.BlockedBy.Stopped)
	require.True(t, j.Subscribers[j.BlockedBy.Subscriber].Stopped)
	daemon.logs(`level=WARN msg="publishers wait for a subscriber .*pid=` + pid + ` name=bussub .*stopped=true behind=64 `)
	found, code := diagnose(t)
	require.Equal(t, 1, code)
	require.Equal(t, problem, found["blocked"].Severity)
	require.Contains(t, found["blocked"].Text, "is stopped")
	require.Equal(t, "busd evict prices "+pid, found["blocked"].Command)

	r := runShell(t, found["blocked"].Command)
	require.Zero(t, r.code, r.stderr)
	require.NoError(t, <-published)
	daemon.logs(`msg="publishers have given up waiting for a subscriber" bus=prices now=evicted pid=` + pid)
	daemon.logs(`msg="publishers no longer wait for this subscriber" bus=prices pid=` + pid)
	found, code = diagnose(t)
	require.Zero(t, code, found)
	require.NoError(t, reader.Continue())
	require.True(t, reader.Wait(patience))
	require.Contains(t, reader.End(), "exit status 1\nbussub: ")
	require.Contains(t, reader.End(), "cut off")
}

// runShell runs a command as a person would who has busd in the path.
func runShell(t *testing.T, command string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
	cmd.Env = append(os.Environ(), "PATH="+testproc.Bin()+":"+os.Getenv("PATH"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run()
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}
