package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"

	"shmbus/test/bench/link"
	"shmbus/test/bench/worker"
)

func init() { link.Register("fifo", openFifo) }

// fifo is a named pipe, and for round trips another one back. Once open it is a pipe like any
// other; only the way in which its ends meet differs: opening one end waits for the other.
type fifo struct {
	*stream
	p           worker.Params
	role        string
	there, back string
}

func openFifo(role string, p worker.Params) (link.Link, error) {
	l := &fifo{stream: newStream(role, p), p: p, role: role, there: filepath.Join(p["dir"], "fifo"), back: filepath.Join(p["dir"], "fifo.back")}
	for _, path := range l.paths() {
		if err := unix.Mkfifo(path, 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("mkfifo %s: %w", path, err)
		}
	}
	return l, nil
}

func (l *fifo) paths() []string {
	if l.role == link.Send || l.role == link.Recv {
		return []string{l.there}
	}
	return []string{l.there, l.back}
}

func (l *fifo) Connect() error {
	fds := [2]int{-1, -1}
	for i, path := range l.paths() {
		mode := unix.O_WRONLY
		if link.Listens(l.role) == (i == 0) {
			mode = unix.O_RDONLY
		}
		fd, err := link.Again(func() (int, error) { return unix.Open(path, mode|unix.O_CLOEXEC, 0) })
		if err != nil {
			return fmt.Errorf("open %s: %w", path, err)
		}
		enlarge(fd)
		fds[i] = fd
	}
	if link.Listens(l.role) {
		return l.use(l.p, fds[0], fds[1])
	}
	return l.use(l.p, fds[1], fds[0])
}

func (l *fifo) Close() error {
	var err error
	for _, path := range l.paths() {
		err = errors.Join(err, link.Remove(path))
	}
	return err
}
