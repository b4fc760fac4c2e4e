package sysvsem

import (
	"fmt"
	"io/fs"
	"syscall"

	"shmbus/internal/sysv"
)

// Commands of semctl beyond those of all System V objects.
const (
	cmdGETPID     = 11
	cmdGETVAL     = 12
	cmdGETALL     = 13
	cmdGETNCNT    = 14
	cmdGETZCNT    = 15
	cmdSETVAL     = 16
	cmdSETALL     = 17
	cmdSEMSTAT    = 18
	cmdSEMINFO    = 19
	cmdSEMSTATANY = 20
)

// GetVal returns the value of semaphore n.
func (s *Set) GetVal(n int) (int, error) { return s.get("semctl(GETVAL)", n, cmdGETVAL) }

// GetPid returns the pid of the process that last operated on semaphore n. The undo at the end of a
// process counts as an operation of that process. GetPid returns 0 if there was no such process, or
// if it is in another pid namespace.
func (s *Set) GetPid(n int) (int, error) { return s.get("semctl(GETPID)", n, cmdGETPID) }

// GetNCnt returns how many threads wait for semaphore n to increase.
func (s *Set) GetNCnt(n int) (int, error) { return s.get("semctl(GETNCNT)", n, cmdGETNCNT) }

// GetZCnt returns how many threads wait for semaphore n to become zero.
func (s *Set) GetZCnt(n int) (int, error) { return s.get("semctl(GETZCNT)", n, cmdGETZCNT) }

func (s *Set) get(call string, n, cmd int) (int, error) {
	v, errno := semctl(s.ID(), n, cmd, 0)
	if errno != 0 {
		return 0, s.semError(call, n, errno)
	}
	return v, nil
}

// SetVal sets semaphore n to v, from 0 to the limit SEMVMX (32767), and wakes the
// threads whose operations are then possible.
//
// It also erases the undo values of every process for this semaphore: operations with [Undo] that
// were made before are not taken back when their process ends. Use SetVal to initialise a
// semaphore, never on one that carries undo.
func (s *Set) SetVal(n, v int) error {
	// The kernel uses only the low 32 bits of v.
	if v != int(int32(v)) {
		return s.valueError("semctl(SETVAL)", n, v)
	}
	if _, errno := semctl(s.ID(), n, cmdSETVAL, v); errno != 0 {
		if errno == syscall.ERANGE {
			return s.valueError("semctl(SETVAL)", n, v)
		}
		return s.semError("semctl(SETVAL)", n, errno)
	}
	return nil
}

// GetAll returns the values of all semaphores, read in one step.
func (s *Set) GetAll() ([]uint16, error) {
	n, errno := s.size()
	if errno != 0 {
		return nil, s.ctlError("semctl(GETALL)", errno)
	}
	values := make([]uint16, n)
	if errno := semctlValues(s.ID(), cmdGETALL, values); errno != 0 {
		return nil, s.ctlError("semctl(GETALL)", errno)
	}
	return values, nil
}

// SetAll sets all semaphores in one step; values has one value for each. It also needs permission
// to read the set, because it compares len(values) with the number of semaphores.
//
// It also erases the undo values of every process for the set, as [Set.SetVal] does
// for one semaphore.
func (s *Set) SetAll(values []uint16) error {
	const call = "semctl(SETALL)"
	n, errno := s.size()
	if errno != 0 {
		return s.ctlError(call, errno)
	}
	if len(values) != n {
		return s.fail(call, syscall.EINVAL, sysv.Reason{
			Detail: fmt.Sprintf("%d values for a set of %d semaphores", len(values), n)})
	}
	errno = semctlValues(s.ID(), cmdSETALL, values)
	if errno == syscall.ERANGE {
		for i, v := range values {
			if int(v) > valueMax {
				return s.valueError(call, i, int(v))
			}
		}
	}
	if errno != 0 {
		return s.ctlError(call, errno)
	}
	return nil
}

// size returns the number of semaphores, which never changes while the set lives.
func (s *Set) size() (int, syscall.Errno) {
	st, errno := readStat(s.ID(), sysv.Stat)
	return st.NSems, errno
}

// SetPerm changes the owner and the permission bits of the set. A uid or gid of -1 leaves the owner
// or group as it is. Only the owner, the creator, and root may do this.
func (s *Set) SetPerm(uid, gid int, mode fs.FileMode) error {
	if r, bad := sysv.BadOwner(uid, gid); bad {
		return s.fail("semctl(IPC_SET)", syscall.EINVAL, r)
	}
	if errno := setPerm(s.ID(), uid, gid, mode); errno != 0 {
		return s.ctlError("semctl(IPC_SET)", errno)
	}
	return nil
}

// Remove destroys the set at once, for everybody. Calls that wait on it return [ErrRemoved]. Only
// the owner, the creator, and root may do this.
func (s *Set) Remove() error {
	if _, errno := semctl(s.ID(), 0, sysv.Remove, 0); errno != 0 {
		return s.ctlError("semctl(IPC_RMID)", errno)
	}
	return nil
}
