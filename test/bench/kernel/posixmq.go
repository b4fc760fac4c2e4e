package kernel

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"shmbus/test/bench/link"
	"shmbus/test/bench/worker"
)

func init() { link.Register("posixmq", openPosixmq) }

// posixmq is a POSIX message queue, and for round trips another one back. The longest queues are
// taken that this process may have: with CAP_SYS_RESOURCE 1,024 messages, otherwise what
// fs.mqueue.msg_max says, 10 usually.
type posixmq struct {
	names     []string
	listens   bool
	fds       [2]int // there, back
	nonblock  int
	buf       []byte
	out, from int // the descriptors that this side sends to and receives from
}

func openPosixmq(role string, p worker.Params) (link.Link, error) {
	l := &posixmq{names: []string{"shmbus-bench-" + p["id"]}, listens: link.Listens(role), buf: make([]byte, p.Int("size", 48))}
	if role == link.Ping || role == link.Pong {
		l.names = append(l.names, l.names[0]+"-back")
	}
	if p.String("wait", "block") == "spin" {
		l.nonblock = unix.O_NONBLOCK
	}
	if !l.listens {
		return l, nil
	}
	unix.Setrlimit(unix.RLIMIT_MSGQUEUE, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY})
	for i, name := range l.names {
		if err := link.Owe(p, "mq", name); err != nil {
			return nil, err
		}
		if err := l.create(i, name); err != nil {
			return nil, errors.Join(fmt.Errorf("%w: mq_open, %d bytes a message: %w", worker.ErrSkipped, len(l.buf), err), l.Close())
		}
	}
	return l, nil
}

func (l *posixmq) create(i int, name string) (err error) {
	for _, messages := range []int{1024, 256, 64, 10} {
		l.fds[i], err = mqOpen(name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|l.nonblock, &mqAttr{Maxmsg: int64(messages), Msgsize: int64(len(l.buf))})
		if err == nil {
			return nil
		}
	}
	return err
}

func (l *posixmq) Connect() error {
	for i, name := range l.names {
		if l.listens {
			break
		}
		if err := link.UntilThere(func() (err error) {
			l.fds[i], err = mqOpen(name, unix.O_RDWR|l.nonblock, nil)
			return err
		}); err != nil {
			return fmt.Errorf("mq_open %s: %w", name, err)
		}
	}
	l.out, l.from = l.fds[0], l.fds[1]
	if l.listens {
		l.out, l.from = l.from, l.out
	}
	return nil
}

func (l *posixmq) Send(b []byte) error {
	_, err := link.Again(func() (int, error) { return 0, mqSend(l.out, b) })
	return err
}

func (l *posixmq) Recv() ([]byte, error) {
	n, err := link.Again(func() (int, error) { return mqReceive(l.from, l.buf) })
	return l.buf[:max(n, 0)], err
}

func (l *posixmq) Close() error {
	if !l.listens {
		return nil
	}
	for _, name := range l.names {
		if err := mqUnlink(name); err != nil && err != unix.ENOENT {
			return err
		}
	}
	return nil
}
