package kernel

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"shmbus/test/bench/link"
	"shmbus/test/bench/worker"
)

// A meeting is how two workers that know only a folder get a socket to each other: the side that listens makes it when it is set
// up, and both meet when the first run begins.
type meeting struct {
	path     string
	kind     int // SOCK_STREAM or SOCK_SEQPACKET
	listens  bool
	listener int
}

func newMeeting(name string, kind int, role string, p worker.Params) (*meeting, error) {
	m := &meeting{path: filepath.Join(p["dir"], name), kind: kind, listens: link.Listens(role)}
	if !m.listens {
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

// meet returns a connected socket.
func (m *meeting) meet() (int, error) {
	if m.listens {
		fd, err := again(func() (int, error) {
			fd, _, err := unix.Accept4(m.listener, unix.SOCK_CLOEXEC)
			return fd, err
		})
		return fd, errors.Join(err, m.close())
	}
	fd, err := unix.Socket(unix.AF_UNIX, m.kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	return fd, link.UntilThere(func() error { return unix.Connect(fd, &unix.SockaddrUnix{Name: m.path}) })
}

func (m *meeting) close() error {
	if !m.listens {
		return nil
	}
	return link.Remove(m.path)
}

// give passes descriptors on through a socket and closes them here.
func give(socket int, fds ...int) error {
	err := unix.Sendmsg(socket, []byte{0}, unix.UnixRights(fds...), nil, 0)
	for _, fd := range fds {
		unix.Close(fd)
	}
	return err
}

// take receives n descriptors that the other side gives.
func take(socket, n int) ([]int, error) {
	oob := make([]byte, unix.CmsgSpace(4*n))
	_, oobn, _, _, err := unix.Recvmsg(socket, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("recvmsg: %w", err)
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(msgs) != 1 {
		return nil, fmt.Errorf("%d control messages instead of descriptors: %w", len(msgs), err)
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err == nil && len(fds) != n {
		err = fmt.Errorf("%d descriptors instead of %d", len(fds), n)
	}
	return fds, err
}

// again repeats f while it is interrupted by signals, or by there being nothing to do where it does not block.
func again[T any](f func() (T, error)) (T, error) {
	for {
		v, err := f()
		if err != unix.EINTR && err != unix.EAGAIN {
			return v, err
		}
	}
}
