package library

import (
	"errors"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"shmbus/test/bench/link"
	"shmbus/test/bench/worker"
)

// natsLimit is what the server holds for a client that is slower than those who publish to it.
const natsLimit = 1 << 30

// natsServer is the server, alone in its process. It does its work between runs and during them; a run asks nothing of it.
type natsServer struct {
	*server.Server
	address string
}

// natsAddress is the file that says where the server is.
func natsAddress(p worker.Params) string { return filepath.Join(p["dir"], "nats") }

// StartNATS is the role server. Its options are the defaults, except that it holds more before it gives a slow client up.
func StartNATS(p worker.Params) (worker.Runner, error) {
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
		MaxPayload: 8 << 20, MaxPending: natsLimit, WriteDeadline: time.Minute,
	})
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return nil, errors.New("the server does not accept connections")
	}
	return &natsServer{s, natsAddress(p)}, link.Post(natsAddress(p), s.ClientURL())
}

func (s *natsServer) Run(int) (worker.Report, error) { return worker.Report{}, nil }

func (s *natsServer) Close() error {
	s.Shutdown()
	return link.Remove(s.address)
}
