package link

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"shmbus/test/bench/worker"
)

// A Meeting is how two workers that know only a folder get a socket to each other: the side that
// listens makes it when it is set up, and both meet when the first run begins.
type Meeting struct {
	path     string
	kind     int // SOCK_STREAM or SOCK_SEQPACKET
	Listens  bool
	listener int
}

// NewMeeting is for one side, which listens in that role or not. The kind of socket is SOCK_STREAM
// or SOCK_SEQPACKET.
func NewMeeting(name string, kind int, role string, p worker.Params) (*Meeting, error) {
	m := &Meeting{path: filepath.Join(p["dir"], name), kind: kind, Listens: Listens(role)}
	if !m.Listens {
		return m, nil
	}
	var err error
	if m.listener, err = unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := unix.Bind(m.listener, &unix.SockaddrUnix{Name: m.path}); err != nil {
		return nil, fmt.Errorf("bind %s: %w", m.path, err)
	}
	return m, unix.Listen(m.listener, 1)
}

// Meet returns a connected socket.
func (m *Meeting) Meet() (int, error) {
	if m.Listens {
		fd, err := Again(func() (int, error) {
			fd, _, err := unix.Accept4(m.listener, unix.SOCK_CLOEXEC)
			return fd, err
		})
		return fd, errors.Join(err, m.Close())
	}
	fd, err := unix.Socket(unix.AF_UNIX, m.kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	return fd, UntilThere(func() error { return unix.Connect(fd, &unix.SockaddrUnix{Name: m.path}) })
}

func (m *Meeting) Close() error {
	if !m.Listens {
		return nil
	}
	return Remove(m.path)
}
