package sysvsem

import "golang.org/x/sys/unix"

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
	if _, errno := semctlInfo(ipcINFO, &si); errno != 0 {
		return SystemLimits{}, &Error{Op: "semctl(IPC_INFO)", ID: -1, Err: errno}
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
		return SystemUsage{}, &Error{Op: "semctl(SEM_INFO)", ID: -1, Err: errno}
	}
	return SystemUsage{Sets: int(si.Semusz), Sems: int(si.Semaem), MaxIndex: last}, nil
}

// List returns all sets of this IPC namespace, including those that the caller
// may not read, in the order of the kernel's table. Sets that come or go
// meanwhile may be in it or not.
func List() ([]Stat, error) {
	usage, err := Usage()
	if err != nil {
		return nil, err
	}
	list := walk(cmdSEMSTATANY, usage.MaxIndex)
	if len(list) > 0 || usage.Sets == 0 {
		return list, nil
	}
	// Before Linux 4.17 there is no SEM_STAT_ANY; the file tells as much.
	if list, err = readProc(procPath); err == nil {
		return list, nil
	}
	return walk(cmdSEMSTAT, usage.MaxIndex), nil
}

// walk asks for each index of the kernel's table. An index without a set, and with
// SEM_STAT one without permission, is passed over.
func walk(cmd, last int) []Stat {
	var list []Stat
	for i := 0; i <= last; i++ {
		var ds semidDS
		if id, errno := semctlDS(i, cmd, &ds); errno == 0 {
			list = append(list, ds.stat(id))
		} else if errno == unix.ENOSYS {
			break
		}
	}
	return list
}
