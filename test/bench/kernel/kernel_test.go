package kernel

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shmbus/test/bench/link"
	"shmbus/test/bench/link/linktest"
	"shmbus/test/bench/worker"
)

func TestMain(m *testing.M) { linktest.Main(m) }

// params returns the common parameters, with a folder whose path is short enough for sockets.
func params(t *testing.T, more ...string) []string {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return append([]string{"dir=" + dir, fmt.Sprintf("id=test-%d", os.Getpid())}, more...)
}

// Everything arrives, in order and whole, in runs that follow each other, whoever is started first.
func TestOneWay(t *testing.T) {
	for _, contender := range worker.Contenders(link.Send) {
		for _, size := range []int{16, 48, 1000, 8192, 64<<10 + 8, 1 << 20} {
			t.Run(fmt.Sprintf("%s/size=%d", contender, size), func(t *testing.T) {
				p := params(t, fmt.Sprint("size=", size))
				var send, recv *linktest.Worker
				if size%32 == 0 {
					recv = linktest.Start(t, linktest.Self(contender, link.Recv, p...)...)
					send = linktest.Start(t, linktest.Self(contender, link.Send, p...)...)
				} else {
					send = linktest.Start(t, linktest.Self(contender, link.Send, p...)...)
					recv = linktest.Start(t, linktest.Self(contender, link.Recv, p...)...)
				}
				for _, n := range []int{1, min(2000, 32<<20/size), 33} {
					linktest.OneWay(t, send, recv, n)
				}
			})
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, contender := range worker.Contenders(link.Ping) {
		for _, wait := range []string{"block", "spin"} {
			t.Run(contender+"/wait="+wait, func(t *testing.T) {
				p := params(t, "wait="+wait)
				ping := linktest.Start(t, linktest.Self(contender, link.Ping, p...)...)
				pong := linktest.Start(t, linktest.Self(contender, link.Pong, p...)...)
				for _, n := range []int{1, 500} {
					linktest.RoundTrip(t, ping, pong, n)
				}
			})
		}
	}
}

// A worker that is ended while it waits for a message leaves neither files nor queues.
func TestTerminate(t *testing.T) {
	for _, role := range []string{link.Recv, link.Pong} {
		for _, contender := range worker.Contenders(role) {
			t.Run(contender+"/"+role, func(t *testing.T) {
				p := params(t)
				w := linktest.Start(t, linktest.Self(contender, role, p...)...)
				w.Begin(10)
				time.Sleep(20 * time.Millisecond)
				w.Terminate()
				dir := strings.TrimPrefix(p[0], "dir=")
				owed, _ := os.ReadFile(filepath.Join(dir, "owed"))
				for line := range strings.Lines(string(owed)) {
					kind, what, _ := strings.Cut(strings.TrimSpace(line), " ")
					var left error
					switch kind {
					case "msg":
						id, _ := strconv.Atoi(what)
						left = msgctl(id, unix.IPC_STAT, new(msqid))
					case "mq":
						_, left = mqOpen(what, unix.O_RDONLY, nil)
					}
					if left == nil {
						t.Errorf("%s is left behind", line)
					}
				}
				entries, err := os.ReadDir(dir)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range entries {
					if name := e.Name(); name != "owed" {
						t.Errorf("%s is left behind", name)
					}
				}
			})
		}
	}
}
