package sysvsem

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// valueMax is SEMVMX, which no setting changes.
const valueMax = 32767

const (
	detailRemoved = "the set was removed, or never was: get it again by its key"
	detailAccess  = "the set's permission bits do not allow it: see ipcs -s -i ID and Set.SetPerm"
	detailOwner   = "only the set's owner, its creator, or root may"
	detailDenied  = "this kernel or sandbox has no System V semaphores: see CONFIG_SYSVIPC and the seccomp profile (containers, SystemCallFilter= of systemd)"
	detailNoUndo  = "this runtime accepts SEM_UNDO and ignores it (gVisor does), so that nobody learns of a process's death: use a Linux kernel"
	detailRange   = "a value must stay between 0 and SEMVMX (32767, fixed), and what undo would restore likewise"
)

// gone reports whether there is certainly no set with the identifier: IPC_STAT has no
// other reason to answer EINVAL.
func (s *Set) gone() bool {
	var ds semidDS
	_, errno := semctlDS(s.id, ipcSTAT, &ds)
	return errno == unix.EINVAL || errno == unix.EIDRM
}

// ctlError explains a failed command on the whole set.
func (s *Set) ctlError(call string, errno unix.Errno) error {
	e := &Error{Op: call, ID: s.id, Err: errno}
	switch errno {
	case unix.EIDRM, unix.EINVAL:
		if errno == unix.EIDRM || s.gone() {
			e.kind, e.detail = ErrRemoved, detailRemoved
		}
	case unix.EACCES:
		e.detail = detailAccess
	case unix.EPERM:
		e.detail = detailOwner
	case unix.ENOSYS:
		e.detail = detailDenied
	}
	return e
}

// semError explains a failed command on semaphore n.
func (s *Set) semError(call string, n int, errno unix.Errno) error {
	if errno == unix.EINVAL && !s.gone() {
		return &Error{
			Op: call, ID: s.id, Err: errno, kind: ErrNoSemaphore,
			detail: fmt.Sprintf("there is no semaphore %d, %s", n, s.describeSize()),
		}
	}
	return s.ctlError(call, errno)
}

// valueError explains a value v, for semaphore n, that does not fit.
func (s *Set) valueError(call string, n, v int) error {
	return s.newError(call, unix.ERANGE, fmt.Sprintf("%d for semaphore %d: %s", v, n, detailRange))
}

// opError explains a failed semop or semtimedop.
func (s *Set) opError(ops []Op, errno unix.Errno) error {
	e := &Error{Op: "semop", ID: s.id, Err: errno}
	switch errno {
	case unix.EIDRM:
		e.kind, e.detail = ErrRemoved, detailRemoved
	case unix.EINVAL:
		if len(ops) == 0 {
			e.detail = "no operations given"
		} else {
			e.kind, e.detail = ErrRemoved, detailRemoved
		}
	case unix.EACCES:
		e.detail = detailAccess
	case unix.ENOSYS, unix.EPERM:
		e.detail = detailDenied
	case unix.ERANGE:
		e.detail = detailRange
	case unix.EFBIG:
		var highest uint16
		for _, op := range ops {
			highest = max(highest, op.Num)
		}
		e.detail = fmt.Sprintf("there is no semaphore %d, %s", highest, s.describeSize())
	case unix.E2BIG:
		if l, err := Limits(); err == nil {
			e.detail = fmt.Sprintf("%d operations, SEMOPM allows %d: raise it: %s", len(ops), l.OpsPerCall,
				raise(l.SemsPerSet, l.Sems, max(len(ops), l.OpsPerCall), l.Sets))
		}
	case unix.ENOMEM:
		e.detail = "the kernel has no memory for undo values or for this many operations"
	}
	return e
}

func (s *Set) describeSize() string {
	n, err := s.size("semctl(IPC_STAT)")
	if err != nil {
		return "and the set's size cannot be read"
	}
	return fmt.Sprintf("the set has %d, numbered from 0", n)
}

// getError explains a failed semget.
func getError(key Key, nsems int, errno unix.Errno) error {
	e := &Error{Op: "semget", ID: -1, Err: errno}
	switch errno {
	case unix.ENOENT:
		e.detail = "no such set: create it with the flag Create"
	case unix.EEXIST:
		e.detail = "there is a set already: leave out Exclusive to share it"
	case unix.EACCES:
		e.detail = detailAccess
	case unix.EIDRM:
		e.kind, e.detail = ErrRemoved, "the set is being removed: try again"
	case unix.EINVAL:
		e.detail = describeBadSize(key, nsems)
	case unix.ENOSPC:
		e.detail = describeFull(nsems)
	case unix.ENOSYS, unix.EPERM:
		e.detail = detailDenied
	case unix.ENOMEM:
		e.detail = fmt.Sprintf("the kernel has no memory for %d semaphores", nsems)
	}
	if key != Private {
		e.detail = fmt.Sprintf("key %#08x: %s", uint32(key), e.detail)
	}
	return e
}

// describeBadSize says why a number of semaphores is not accepted.
func describeBadSize(key Key, nsems int) string {
	l, err := Limits()
	if err == nil && nsems > l.SemsPerSet {
		return fmt.Sprintf("%d semaphores, SEMMSL allows %d in a set: raise it: %s", nsems, l.SemsPerSet,
			raise(nsems, max(l.Sems, nsems), l.OpsPerCall, l.Sets))
	}
	if key != Private && nsems > 0 {
		if id, errno := semget(key, 0, 0); errno == 0 {
			return fmt.Sprintf("%d semaphores asked for, %s", nsems, FromID(id).describeSize())
		}
	}
	return fmt.Sprintf("%d semaphores: a new set needs at least one", nsems)
}

// describeFull says which of the system's two limits nsems more semaphores exceed.
func describeFull(nsems int) string {
	l, err := Limits()
	if err != nil {
		return "SEMMNI or SEMMNS is reached"
	}
	u, err := Usage()
	if err != nil {
		return "SEMMNI or SEMMNS is reached"
	}
	const remove = "remove unused sets (ipcs -s, ipcrm -s ID) or raise it: "
	if u.Sems+nsems > l.Sems {
		return fmt.Sprintf("%d semaphores exist and %d more exceed SEMMNS (%d): "+remove+"%s",
			u.Sems, nsems, l.Sems, raise(l.SemsPerSet, u.Sems+nsems, l.OpsPerCall, l.Sets))
	}
	return fmt.Sprintf("%d sets exist, SEMMNI allows %d: "+remove+"%s",
		u.Sets, l.Sets, raise(l.SemsPerSet, l.Sems, l.OpsPerCall, max(l.Sets*2, u.Sets+1)))
}

// raise is the command that sets the limits.
func raise(semmsl, semmns, semopm, semmni int) string {
	return fmt.Sprintf(`sysctl -w kernel.sem="%d %d %d %d"`, semmsl, semmns, semopm, semmni)
}
