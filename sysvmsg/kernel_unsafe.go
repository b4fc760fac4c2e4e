//go:build linux

package sysvmsg

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// usual is the largest message, in bytes, that is copied through a buffer on the stack. It is the
// default MSGMAX.
const usual = 8192

// msgbuf is struct msgbuf.
type msgbuf struct {
	typ  int64
	text [usual]byte
}

// newBuffer returns memory laid out as struct msgbuf for more bytes than usual.
func newBuffer(size int) *int64 {
	const header = 8
	return &make([]int64, (header+size+7)/8)[0]
}

// text returns the size bytes that follow a type in memory.
func text(typ *int64, size int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(typ), unsafe.Sizeof(*typ))), size)
}

func msgget(key Key, flags int) (int, syscall.Errno) {
	id, _, errno := unix.Syscall(unix.SYS_MSGGET, uintptr(key), uintptr(flags), 0)
	return int(id), errno
}

// msgsnd may block, unless flags has NoWait.
func msgsnd(id int, m Message, flags int) syscall.Errno {
	if len(m.Data) > usual {
		return msgsndFrom(id, newBuffer(len(m.Data)), m, flags)
	}
	var buf msgbuf
	return msgsndFrom(id, &buf.typ, m, flags)
}

func msgsndFrom(id int, typ *int64, m Message, flags int) syscall.Errno {
	*typ = m.Type
	copy(text(typ, len(m.Data)), m.Data)
	_, _, errno := unix.Syscall6(unix.SYS_MSGSND, uintptr(id), uintptr(unsafe.Pointer(typ)),
		uintptr(len(m.Data)), uintptr(flags), 0, 0)
	return errno
}

// msgrcv may block, unless flags has NoWait. It allocates a buffer for more than usual bytes only
// when the chosen message is longer than that. Until then the message stays in the queue.
func msgrcv(id int, data []byte, typ int64, flags int) (Message, syscall.Errno) {
	var buf msgbuf
	if len(data) <= usual {
		return msgrcvInto(id, &buf.typ, data, typ, flags)
	}
	m, errno := msgrcvInto(id, &buf.typ, data[:usual], typ, flags&^int(NoError))
	if errno == syscall.E2BIG {
		return msgrcvInto(id, newBuffer(len(data)), data, typ, flags)
	}
	return m, errno
}

func msgrcvInto(id int, buf *int64, data []byte, typ int64, flags int) (Message, syscall.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_MSGRCV, uintptr(id), uintptr(unsafe.Pointer(buf)),
		uintptr(len(data)), uintptr(typ), uintptr(flags), 0)
	if errno != 0 {
		return Message{}, errno
	}
	return Message{Type: *buf, Data: data[:copy(data, text(buf, int(n)))]}, 0
}

func msgctlDS(id, cmd int, ds *msqidDS) (int, syscall.Errno) {
	r, _, errno := unix.Syscall(unix.SYS_MSGCTL, uintptr(id), uintptr(cmd),
		uintptr(unsafe.Pointer(ds)))
	return int(r), errno
}

func msgctlInfo(cmd int, mi *msginfo) (int, syscall.Errno) {
	last, _, errno := unix.Syscall(unix.SYS_MSGCTL, 0, uintptr(cmd), uintptr(unsafe.Pointer(mi)))
	return int(last), errno
}
