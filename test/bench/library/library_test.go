package library

import (
	"fmt"
	"os"
	"testing"

	"shmbus/test/bench/link"
	"shmbus/test/bench/link/linktest"
	"shmbus/test/bench/worker"
)

func TestMain(m *testing.M) { linktest.Main(linktest.WithServer(m)) }

func params(t *testing.T, more ...string) []string {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return append([]string{"dir=" + dir, fmt.Sprintf("id=test-%d", os.Getpid())}, more...)
}

// start starts the workers of a contender, its server first if it has one.
func start(t *testing.T, contender string, p []string, roles ...string) []*linktest.Worker {
	if worker.Has(contender, "server") {
		linktest.Start(t, linktest.Self(contender, "server", p...)...)
	}
	var workers []*linktest.Worker
	for _, role := range roles {
		workers = append(workers, linktest.Start(t, linktest.Self(contender, role, p...)...))
	}
	return workers
}

func TestOneWay(t *testing.T) {
	for _, contender := range worker.Contenders(link.Send) {
		for _, size := range []int{16, 48, 8192} {
			t.Run(fmt.Sprintf("%s/size=%d", contender, size), func(t *testing.T) {
				w := start(t, contender, params(t, fmt.Sprint("size=", size)), link.Recv, link.Send)
				for _, n := range []int{1, 2000, 333} {
					linktest.OneWay(t, w[1], w[0], n)
				}
			})
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, contender := range worker.Contenders(link.Ping) {
		t.Run(contender, func(t *testing.T) {
			w := start(t, contender, params(t), link.Pong, link.Ping)
			for _, n := range []int{1, 300} {
				linktest.RoundTrip(t, w[1], w[0], n)
			}
		})
	}
}

func TestInProcess(t *testing.T) {
	for _, contender := range worker.Contenders("both") {
		t.Run(contender, func(t *testing.T) {
			w := start(t, contender, params(t), "both")
			for _, n := range []int{1, 10000, 333} {
				w[0].Begin(n)
				w[0].End()
			}
		})
	}
}
