package kernel

import (
	"golang.org/x/sys/unix"

	"shmbus/test/bench/link"
	"shmbus/test/bench/worker"
)

func init() { link.Register("pipe", openPipe) }

// pipeSize is the room in a pipe. More than the default 64 KiB lets writer and reader run further
// before they have to wait for each other; up to 1 MiB any user may have.
const pipeSize = 1 << 20

// pipe is a pipe to the listening side and one back, which the listening side makes and passes on
// through a Unix socket.
type pipe struct {
	*stream
	*link.Meeting
	p worker.Params
}

func openPipe(role string, p worker.Params) (link.Link, error) {
	m, err := link.NewMeeting("pipe", unix.SOCK_STREAM, role, p)
	return &pipe{newStream(role, p), m, p}, err
}

func (l *pipe) Connect() error {
	socket, err := l.Meet()
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	if !l.Listens {
		fds, err := take(socket, 2)
		if err != nil {
			return err
		}
		return l.use(l.p, fds[0], fds[1])
	}
	var here, there [2]int
	for _, pair := range []*[2]int{&here, &there} {
		if err := unix.Pipe2(pair[:], unix.O_CLOEXEC); err != nil {
			return err
		}
		enlarge(pair[0])
	}
	if err := give(socket, there[0], here[1]); err != nil {
		return err
	}
	return l.use(l.p, here[0], there[1])
}

// enlarge gives a pipe more room if this user may have it.
func enlarge(fd int) { unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, pipeSize) }

func (l *pipe) Close() error { return l.Meeting.Close() }
