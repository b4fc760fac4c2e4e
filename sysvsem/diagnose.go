package sysvsem

import (
	"fmt"
	"syscall"

	"shmbus/internal/sysv"
)

// valueMax is SEMVMX, which no setting changes.
const valueMax = 32767

const (
	detailNoUndo = "this runtime accepts SEM_UNDO and ignores it (gVisor does), so no " +
		"process learns of another's death: use a Linux kernel"
	detailRange = "a value must stay between 0 and SEMVMX (32767, fixed), and undo must not have " +
		"to restore more than that"
)

// gone reports whether there is certainly no set with the identifier: IPC_STAT returns EINVAL for
// no other reason.
func (s *Set) gone() bool {
	_, errno := readStat(s.ID(), sysv.Stat)
	return errno == syscall.EINVAL || errno == syscall.EIDRM
}

// ctlError explains a failed command on the whole set.
func (s *Set) ctlError(call string, errno syscall.Errno) error {
	return s.fail(call, errno, object.Control(errno, s.gone))
}

// semError explains a failed command on semaphore n.
func (s *Set) semError(call string, n int, errno syscall.Errno) error {
	if errno == syscall.EINVAL && !s.gone() {
		return s.fail(call, errno, s.noSemaphore(n))
	}
	return s.ctlError(call, errno)
}

func (s *Set) noSemaphore(n int) sysv.Reason {
	return sysv.Reason{Kind: ErrNoSemaphore,
		Detail: fmt.Sprintf("there is no semaphore %d, %s", n, s.describeSize())}
}

// valueError explains that value v is out of range for semaphore n.
func (s *Set) valueError(call string, n, v int) error {
	return s.fail(call, syscall.ERANGE, sysv.Reason{Kind: ErrRange,
		Detail: fmt.Sprintf("%d for semaphore %d: %s", v, n, detailRange)})
}

// opError explains a failed semop or semtimedop.
func (s *Set) opError(ops []Op, errno syscall.Errno) error {
	return s.fail("semop", errno, s.opReason(ops, errno))
}

func (s *Set) opReason(ops []Op, errno syscall.Errno) sysv.Reason {
	switch errno {
	case syscall.EINVAL:
		if len(ops) == 0 {
			return sysv.Reason{Detail: "no operations given"}
		}
		return object.Gone()
	case syscall.EPERM:
		return object.Denied()
	case syscall.ERANGE:
		return sysv.Reason{Kind: ErrRange, Detail: detailRange}
	case syscall.EFBIG:
		var highest uint16
		for _, op := range ops {
			highest = max(highest, op.Num)
		}
		return s.noSemaphore(int(highest))
	case syscall.E2BIG:
		return tooManyOps(len(ops))
	case syscall.ENOMEM:
		return sysv.Reason{
			Detail: "the kernel has no memory for undo values or for this many operations"}
	}
	return object.Control(errno, s.gone)
}

func tooManyOps(n int) sysv.Reason {
	l, err := Limits()
	if err != nil {
		return sysv.Reason{Kind: ErrTooManyOps, Detail: ErrTooManyOps.Error()}
	}
	return sysv.Reason{Kind: ErrTooManyOps,
		Detail: fmt.Sprintf("%d operations, SEMOPM allows %d: raise it: %s", n, l.OpsPerCall,
			raise(l.SemsPerSet, l.Sems, max(n, l.OpsPerCall), l.Sets))}
}

func (s *Set) describeSize() string {
	n, errno := s.size()
	if errno != 0 {
		return "and the set's size cannot be read"
	}
	return fmt.Sprintf("the set has %d, numbered from 0", n)
}

// getError explains a failed semget.
func getError(key Key, nsems int, errno syscall.Errno) error {
	reason := object.Find(errno)
	switch errno {
	case syscall.EINVAL:
		reason.Detail = describeBadSize(key, nsems)
	case syscall.ENOSPC:
		reason = full(nsems)
	case syscall.ENOMEM:
		reason.Detail = fmt.Sprintf("the kernel has no memory for %d semaphores", nsems)
	}
	return &Error{Op: "semget", Key: key, ID: -1, Err: errno, reason: reason}
}

// describeBadSize says why a number of semaphores is not accepted.
func describeBadSize(key Key, nsems int) string {
	l, err := Limits()
	if err == nil && nsems > l.SemsPerSet {
		return fmt.Sprintf("%d semaphores, SEMMSL allows %d in a set: raise it: %s", nsems,
			l.SemsPerSet, raise(nsems, max(l.Sems, nsems), l.OpsPerCall, l.Sets))
	}
	if key != Private && nsems > 0 {
		if id, errno := semget(key, 0, 0); errno == 0 {
			return fmt.Sprintf("%d semaphores asked for, %s", nsems, FromID(id).describeSize())
		}
	}
	return fmt.Sprintf("%d semaphores: a new set needs at least one", nsems)
}

// full says which of the system's two limits nsems more semaphores exceed.
func full(nsems int) sysv.Reason {
	l, err := Limits()
	u, errUsage := Usage()
	switch {
	case err != nil || errUsage != nil:
		return object.Full("SEMMNI or SEMMNS is reached", "")
	case u.Sems+nsems > l.Sems:
		return object.Full(fmt.Sprintf("%d semaphores exist and %d more exceed SEMMNS (%d)",
			u.Sems, nsems, l.Sems), raise(l.SemsPerSet, u.Sems+nsems, l.OpsPerCall, l.Sets))
	}
	return object.Full(fmt.Sprintf("%d sets exist, SEMMNI allows %d", u.Sets, l.Sets),
		raise(l.SemsPerSet, l.Sems, l.OpsPerCall, max(l.Sets*2, u.Sets+1)))
}

// raise returns the command that sets the limits.
func raise(semmsl, semmns, semopm, semmni int) string {
	return fmt.Sprintf(`sysctl -w kernel.sem="%d %d %d %d"`, semmsl, semmns, semopm, semmni)
}
