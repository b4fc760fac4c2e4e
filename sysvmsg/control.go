package sysvmsg

import (
	"fmt"
	"io/fs"
	"math"
	"syscall"
	"time"

	"shmbus/internal/sysv"
)

// Commands of msgctl beyond those of all System V objects.
const (
	cmdMSGSTAT    = 11
	cmdMSGINFO    = 12
	cmdMSGSTATANY = 13
)

// Stat is the kernel's record of a queue.
type Stat struct {
	ID          int         // identifier, as from [Queue.ID]
	Key         Key         // key it was created with, or Private
	Mode        fs.FileMode // permission bits
	UID, GID    int         // owner
	CUID, CGID  int         // creator
	Messages    int         // number of messages in the queue
	Bytes       int         // bytes of all of them
	MaxBytes    int         // bytes that the queue may hold; [List] before Linux 4.17 has 0
	SendPID     int         // process of the last send; 0 if none, or in another pid namespace
	ReceivePID  int         // process of the last receive; likewise
	SendTime    time.Time   // last send; zero if there was none
	ReceiveTime time.Time   // last receive; zero if there was none
	ChangeTime  time.Time   // creation, or last change by SetPerm or SetMaxBytes
	Seq         int         // generation of the identifier's slot; [List] before Linux 4.17 has 0
}

// Stat returns the kernel's record of the queue. Times are in whole seconds.
func (q *Queue) Stat() (Stat, error) {
	st, errno := readStat(q.ID(), sysv.Stat)
	if errno != 0 {
		return Stat{}, q.ctlError("msgctl(IPC_STAT)", errno)
	}
	return st, nil
}

// SetPerm changes the owner and the permission bits of the queue. A uid or gid of -1 leaves the
// owner or group as it is. Only the owner, the creator, and root may do this.
func (q *Queue) SetPerm(uid, gid int, mode fs.FileMode) error {
	if r, bad := sysv.BadOwner(uid, gid); bad {
		return q.fail("msgctl(IPC_SET)", syscall.EINVAL, r)
	}
	if errno := setPerm(q.ID(), uid, gid, mode); errno != 0 {
		return q.ctlError("msgctl(IPC_SET)", errno)
	}
	return nil
}

// SetMaxBytes changes how many bytes the queue may hold, and wakes senders that then have room. It
// removes no message; with 0 nobody can send. Only the owner, the creator, and root may do this. A
// number above MSGMNB needs CAP_SYS_RESOURCE.
//
// The kernel sets the owner, the permission bits and this number together. So SetMaxBytes and
// [Queue.SetPerm] first read the values that they do not change. If two such calls run at the same
// time, one may undo the change of the other.
func (q *Queue) SetMaxBytes(n int) error {
	const call = "msgctl(IPC_SET)"
	if n < 0 {
		return q.fail(call, syscall.EINVAL, sysv.Reason{Detail: fmt.Sprintf("negative number %d", n)})
	}
	if n > math.MaxInt32 {
		return q.fail(call, syscall.EINVAL, sysv.Reason{Detail: fmt.Sprintf(
			"%d bytes: the kernel takes %d at most, and cuts off higher bits", n, math.MaxInt32)})
	}
	errno := setMaxBytes(q.ID(), n)
	if errno == 0 {
		return nil
	}
	if l, err := Limits(); errno == syscall.EPERM && err == nil && n > l.QueueBytes {
		return q.fail(call, errno, sysv.Reason{Detail: fmt.Sprintf("%d bytes, MSGMNB allows %d without "+
			"CAP_SYS_RESOURCE: raise it: sysctl -w kernel.msgmnb=%[1]d", n, l.QueueBytes)})
	}
	return q.ctlError(call, errno)
}

// Remove destroys the queue and its messages at once, for everybody. Calls that wait on it return
// [ErrRemoved]. Only the owner, the creator, and root may do this.
func (q *Queue) Remove() error {
	if errno := msgctlRemove(q.ID()); errno != 0 {
		return q.ctlError("msgctl(IPC_RMID)", errno)
	}
	return nil
}

// queues is the kernel's table of all queues.
var queues = sysv.Table[Stat]{
	File: "/proc/sysvipc/msg",
	Any:  cmdMSGSTATANY,
	Own:  cmdMSGSTAT,
	Stat: readStat,
	OfRow: func(r sysv.Row) Stat {
		return Stat{
			ID:          r.Int("msqid"),
			Key:         Key(r["key"]),
			Mode:        fs.FileMode(r["perms"]).Perm(),
			UID:         r.Int("uid"),
			GID:         r.Int("gid"),
			CUID:        r.Int("cuid"),
			CGID:        r.Int("cgid"),
			Messages:    r.Int("qnum"),
			Bytes:       r.Int("cbytes"),
			SendPID:     r.Int("lspid"),
			ReceivePID:  r.Int("lrpid"),
			SendTime:    r.Time("stime"),
			ReceiveTime: r.Time("rtime"),
			ChangeTime:  r.Time("ctime"),
		}
	},
}

// List returns the records of all queues of this IPC namespace, including those that the caller may
// not read, in the order of the kernel's table. It may have or lack queues that are created or
// removed meanwhile.
func List() ([]Stat, error) {
	usage, err := Usage()
	if err != nil {
		return nil, err
	}
	return queues.List(usage.Queues, usage.MaxIndex), nil
}
