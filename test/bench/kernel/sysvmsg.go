package kernel

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"shmbus/test/bench/link"
	"shmbus/test/bench/worker"
)

func init() { link.Register("sysvmsg", openSysvmsg) }

// msgRoom is how many bytes the queue may hold: the usual 16 KiB would make sender and receiver
// wait for each other all the time. More takes CAP_SYS_RESOURCE; others do with what there is.
const msgRoom = 1 << 20

// sysvmsg is a System V message queue. Messages there have type 1, those back type 2.
type sysvmsg struct {
	path     string
	id       int
	flags    int
	listens  bool
	out, in  []byte // a message with its type, an 8-byte word, in front
	receives int
}

func openSysvmsg(role string, p worker.Params) (link.Link, error) {
	size := p.Int("size", 48)
	l := &sysvmsg{path: filepath.Join(p["dir"], "sysvmsg"), id: -1, listens: link.Listens(role), receives: 2,
		out: make([]byte, 8+size), in: make([]byte, 8+size)}
	if p.String("wait", "block") == "spin" {
		l.flags = unix.IPC_NOWAIT
	}
	if most := messageLimit(); size > most {
		return nil, fmt.Errorf("%w: kernel.msgmax allows messages of %d bytes at most", worker.ErrSkipped, most)
	}
	kind := 1
	if l.listens {
		kind, l.receives = 2, 1
	}
	binary.NativeEndian.PutUint64(l.out, uint64(kind))
	if !l.listens {
		return l, nil
	}
	id, err := msgget(unix.IPC_PRIVATE, unix.IPC_CREAT|0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: msgget: %w", worker.ErrSkipped, err)
	}
	l.id = id
	if err := link.Owe(p, "msg", strconv.Itoa(id)); err != nil {
		return nil, err
	}
	var ds msqid
	if msgctl(id, unix.IPC_STAT, &ds) == nil {
		ds.Qbytes = msgRoom
		msgctl(id, unix.IPC_SET, &ds)
	}
	return l, link.Post(l.path, strconv.Itoa(id))
}

// messageLimit is the size of the largest message.
func messageLimit() int {
	most := 8192 // where there is no file to read
	if b, err := os.ReadFile("/proc/sys/kernel/msgmax"); err == nil {
		fmt.Sscan(string(b), &most)
	}
	return most
}

func (l *sysvmsg) Connect() error {
	if l.listens {
		return nil
	}
	text, err := link.Fetch(l.path)
	if err == nil {
		l.id, err = strconv.Atoi(text)
	}
	return err
}

func (l *sysvmsg) Send(b []byte) error {
	copy(l.out[8:], b)
	_, err := link.Again(func() (int, error) { return 0, msgsnd(l.id, l.out, l.flags) })
	return err
}

func (l *sysvmsg) Recv() ([]byte, error) {
	n, err := link.Again(func() (int, error) { return msgrcv(l.id, l.in, l.receives, l.flags) })
	return l.in[8 : 8+max(n, 0)], err
}

func (l *sysvmsg) Close() error {
	if !l.listens {
		return nil
	}
	if err := msgctl(l.id, unix.IPC_RMID, nil); err != nil && err != unix.EINVAL && err != unix.EIDRM {
		return err
	}
	return link.Remove(l.path)
}
