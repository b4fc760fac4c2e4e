package library

import (
	"context"
	"path/filepath"
	"time"

	"github.com/go-zeromq/zmq4"

	"shmbus/test/bench/link"
	"shmbus/test/bench/worker"
)

func init() { link.Register("zmq4", openZMQ4) }

// zmq4Link is a pair of ZeroMQ sockets in pure Go: PUSH and PULL one way, PAIR for round trips.
// Messages go through SendMulti, which writes header and body with one system call where Send makes
// two. The library has no buffer to set and batches nothing.
type zmq4Link struct {
	zmq4.Socket
}

func openZMQ4(role string, p worker.Params) (link.Link, error) {
	create := zmq4.NewPair
	switch role {
	case link.Send:
		create = zmq4.NewPush
	case link.Recv:
		create = zmq4.NewPull
	}
	l := &zmq4Link{create(context.Background(), zmq4.WithDialerRetry(5*time.Millisecond), zmq4.WithDialerMaxRetries(2000))}
	endpoint := "ipc://" + filepath.Join(p["dir"], "zmq4")
	if link.Listens(role) {
		return l, l.Listen(endpoint)
	}
	return l, l.Dial(endpoint)
}

func (l *zmq4Link) Send(b []byte) error { return l.SendMulti(zmq4.NewMsg(b)) }

func (l *zmq4Link) Recv() ([]byte, error) {
	m, err := l.Socket.Recv()
	return m.Bytes(), err
}
