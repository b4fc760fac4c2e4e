package kernel

import (
	"golang.org/x/sys/unix"

	"shmbus/test/bench/link"
	"shmbus/test/bench/worker"
)

func init() {
	link.Register("unix", openUnix)
	link.Register("seqpacket", openSeqpacket)
	link.Register("socketpair", openSocketpair)
}

// unixStream is a connected stream socket.
type unixStream struct {
	*stream
	*link.Meeting
	p worker.Params
}

func openUnix(role string, p worker.Params) (link.Link, error) {
	m, err := link.NewMeeting("unix", unix.SOCK_STREAM, role, p)
	return &unixStream{newStream(role, p), m, p}, err
}

func (l *unixStream) Connect() error {
	fd, err := l.Meet()
	if err != nil {
		return err
	}
	roomy(fd, l.size)
	return l.use(l.p, fd, fd)
}

func (l *unixStream) Close() error { return l.Meeting.Close() }

// socketpair is an unnamed pair of stream sockets that the listening side makes, and passes one of
// on.
type socketpair struct{ unixStream }

func openSocketpair(role string, p worker.Params) (link.Link, error) {
	m, err := link.NewMeeting("socketpair", unix.SOCK_STREAM, role, p)
	return &socketpair{unixStream{newStream(role, p), m, p}}, err
}

func (l *socketpair) Connect() error {
	socket, err := l.Meet()
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	var fds []int
	if l.Listens {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		fds = pair[:1]
		err = give(socket, pair[1])
		if err != nil {
			return err
		}
	} else if fds, err = take(socket, 1); err != nil {
		return err
	}
	roomy(fds[0], l.size)
	return l.use(l.p, fds[0], fds[0])
}

// seqpacket is a connected socket that keeps messages apart: each call moves one.
type seqpacket struct{ unixStream }

func openSeqpacket(role string, p worker.Params) (link.Link, error) {
	m, err := link.NewMeeting("seqpacket", unix.SOCK_SEQPACKET, role, p)
	return &seqpacket{unixStream{newStream(role, p), m, p}}, err
}

func (l *seqpacket) Recv() ([]byte, error) {
	n, err := link.Again(func() (int, error) { return unix.Read(l.in, l.buf) })
	return l.buf[:max(n, 0)], err
}

// socketRoom is the room in a socket. More than the default lets the two sides run further before
// they wait for each other.
const socketRoom = 1 << 20

// roomy gives a socket that room, and a packet socket several messages at least, beyond
// net.core.wmem_max where this user may.
func roomy(fd, size int) {
	room := max(socketRoom, 4*size)
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, room) != nil {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, room)
	}
}
