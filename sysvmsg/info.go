package sysvmsg

import (
	"syscall"

	"shmbus/internal/sysv"
)

// SystemLimits are the kernel's limits in this IPC namespace. Those that Linux does not enforce
// (MSGPOOL, MSGMAP, MSGSSZ, MSGTQL, MSGSEG) are left out.
type SystemLimits struct {
	MessageBytes int // MSGMAX: bytes of a message (sysctl kernel.msgmax)
	QueueBytes   int // MSGMNB: bytes that a new queue may hold (sysctl kernel.msgmnb)
	Queues       int // MSGMNI: queues (sysctl kernel.msgmni)
}

// Limits returns the kernel's limits (IPC_INFO).
func Limits() (SystemLimits, error) {
	var mi msginfo
	if _, errno := msgctlInfo(sysv.Info, &mi); errno != 0 {
		return SystemLimits{}, infoError("msgctl(IPC_INFO)", errno)
	}
	return SystemLimits{
		MessageBytes: int(mi.Msgmax),
		QueueBytes:   int(mi.Msgmnb),
		Queues:       int(mi.Msgmni),
	}, nil
}

// SystemUsage is what exists now in this IPC namespace.
type SystemUsage struct {
	Queues   int // number of queues
	Messages int // number of messages in all of them
	Bytes    int // bytes of all these messages
	MaxIndex int // highest index in use in the kernel's table of queues
}

// Usage returns what exists now (MSG_INFO).
func Usage() (SystemUsage, error) {
	var mi msginfo
	last, errno := msgctlInfo(cmdMSGINFO, &mi)
	if errno != 0 {
		return SystemUsage{}, infoError("msgctl(MSG_INFO)", errno)
	}
	return SystemUsage{
		Queues:   int(mi.Msgpool),
		Messages: int(mi.Msgmap),
		Bytes:    int(mi.Msgtql),
		MaxIndex: last,
	}, nil
}

func infoError(call string, errno syscall.Errno) error {
	reason := object.Control(errno, func() bool { return false })
	return &Error{Op: call, ID: -1, Err: errno, reason: reason}
}

// msginfo is struct msginfo. For MSG_INFO the kernel writes the number of queues to Msgpool, of
// messages to Msgmap, and of bytes to Msgtql.
type msginfo struct {
	Msgpool int32
	Msgmap  int32
	Msgmax  int32
	Msgmnb  int32
	Msgmni  int32
	Msgssz  int32
	Msgtql  int32
	Msgseg  uint16
}
