// Command bench-nats is the NATS server of the contender nats, a worker with the role server. It is
// a program of its own because the server's packages look after their process every second from the
// moment it begins, also where no server runs.
package main

import (
	"errors"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"shmbus/test/bench/link"
	"shmbus/test/bench/worker"
)

func init() {
	worker.Register("nats", "server", start)
	worker.Register("typed-nats", "server", start)
}

func main() { os.Exit(worker.Main(os.Args[1:], os.Stdin, os.Stdout)) }

// limit is what the server holds for a client that is slower than those who publish to it.
const limit = 1 << 30

// natsServer does its work between runs and during them; a run asks nothing of it.
type natsServer struct {
	*server.Server
	address string // the file that says where it is
}

// start uses the defaults, except that the server holds more before it gives a slow client up.
func start(p worker.Params) (worker.Runner, error) {
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
		MaxPayload: 8 << 20, MaxPending: limit, WriteDeadline: time.Minute,
	})
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return nil, errors.New("the server does not accept connections")
	}
	return &natsServer{s, p["address"]}, link.Post(p["address"], s.ClientURL())
}

func (s *natsServer) Run(int) (worker.Report, error) { return worker.Report{}, nil }

func (s *natsServer) Close() error {
	s.Shutdown()
	return link.Remove(s.address)
}
