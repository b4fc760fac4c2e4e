package sysvsem

import (
	"syscall"

	"shmbus/internal/sysv"
)

// SystemLimits are the kernel's limits in this IPC namespace. The first four are
// SEMMSL, SEMMNS, SEMOPM and SEMMNI, in the order of the sysctl kernel.sem.
type SystemLimits struct {
	SemsPerSet int // SEMMSL: semaphores in a set
	Sems       int // SEMMNS: semaphores in all sets
	OpsPerCall int // SEMOPM: operations in a call
	Sets       int // SEMMNI: sets

	Value      int // SEMVMX: value of a semaphore
	Adjust     int // SEMAEM: value that undo can restore
	UndosSys   int // SEMMNU: undo structures; Linux does not enforce it
	UndosProc  int // SEMUME: undo entries of a process; Linux does not enforce it
	UndoBytes  int // SEMUSZ: size of an undo structure; nominal
	MapEntries int // SEMMAP: entries in the semaphore map; nominal
}

// Limits returns the kernel's limits (IPC_INFO).
func Limits() (SystemLimits, error) {
	var si seminfo
	if _, errno := semctlInfo(sysv.Info, &si); errno != 0 {
		return SystemLimits{}, infoError("semctl(IPC_INFO)", errno)
	}
	return SystemLimits{
		SemsPerSet: int(si.Semmsl),
		Sems:       int(si.Semmns),
		OpsPerCall: int(si.Semopm),
		Sets:       int(si.Semmni),
		Value:      int(si.Semvmx),
		Adjust:     int(si.Semaem),
		UndosSys:   int(si.Semmnu),
		UndosProc:  int(si.Semume),
		UndoBytes:  int(si.Semusz),
		MapEntries: int(si.Semmap),
	}, nil
}

// SystemUsage is what exists now in this IPC namespace.
type SystemUsage struct {
	Sets     int // number of sets
	Sems     int // number of semaphores in all of them
	MaxIndex int // highest index in use in the kernel's table of sets
}

// Usage returns what exists now (SEM_INFO).
func Usage() (SystemUsage, error) {
	var si seminfo
	last, errno := semctlInfo(cmdSEMINFO, &si)
	if errno != 0 {
		return SystemUsage{}, infoError("semctl(SEM_INFO)", errno)
	}
	return SystemUsage{Sets: int(si.Semusz), Sems: int(si.Semaem), MaxIndex: last}, nil
}

func infoError(call string, errno syscall.Errno) error {
	reason := object.Control(errno, func() bool { return false })
	return &Error{Op: call, ID: -1, Err: errno, reason: reason}
}

// seminfo is struct seminfo. For SEM_INFO the kernel writes the number of sets to Semusz and the
// number of semaphores to Semaem.
type seminfo struct {
	Semmap int32
	Semmni int32
	Semmns int32
	Semmnu int32
	Semmsl int32
	Semopm int32
	Semume int32
	Semusz int32
	Semvmx int32
	Semaem int32
}
