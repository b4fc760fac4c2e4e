package sysvshm

import (
	"bytes"
	"os"

	"golang.org/x/sys/unix"
)

// SystemLimits are the kernel's limits in this IPC namespace.
type SystemLimits struct {
	MaxSize  uint64 // SHMMAX: bytes in a segment (sysctl kernel.shmmax)
	MinSize  uint64 // SHMMIN: bytes in a segment, always 1
	Segments int    // SHMMNI: segments (sysctl kernel.shmmni)
	Pages    uint64 // SHMALL: pages in all segments (sysctl kernel.shmall)
	PerProc  int    // SHMSEG: segments a process may attach; Linux does not enforce it
}

// Limits returns the kernel's limits (IPC_INFO).
func Limits() (SystemLimits, error) {
	var si shminfo
	if err := shmctlLimits(&si); err != nil {
		return SystemLimits{}, &Error{Op: "shmctl(IPC_INFO)", ID: -1, Err: err}
	}
	return SystemLimits{
		MaxSize:  si.Shmmax,
		MinSize:  si.Shmmin,
		Segments: int(si.Shmmni),
		Pages:    si.Shmall,
		PerProc:  int(si.Shmseg),
	}, nil
}

// ForcedRemoval reports whether the kernel destroys a segment of this IPC namespace with its last mapping, though nobody
// has removed it (sysctl kernel.shm_rmid_forced). To attach and detach one that nobody has attached
// destroys it then.
func ForcedRemoval() bool {
	b, err := os.ReadFile("/proc/sys/kernel/shm_rmid_forced")
	return err == nil && string(bytes.TrimSpace(b)) == "1"
}

// SystemUsage is what exists now in this IPC namespace. Pages are of os.Getpagesize
// bytes.
type SystemUsage struct {
	Segments int    // number of segments
	Pages    uint64 // pages of all of them
	Resident uint64 // of these, in memory
	Swapped  uint64 // of these, swapped out
	MaxIndex int    // highest index in use in the kernel's table of segments
}

// Usage returns what exists now (SHM_INFO).
func Usage() (SystemUsage, error) {
	var su shmUsage
	last, err := shmctlUsage(&su)
	if err != nil {
		return SystemUsage{}, &Error{Op: "shmctl(SHM_INFO)", ID: -1, Err: err}
	}
	return SystemUsage{
		Segments: int(su.UsedIDs),
		Pages:    su.Total,
		Resident: su.Resident,
		Swapped:  su.Swapped,
		MaxIndex: last,
	}, nil
}

// List returns all segments of this IPC namespace, including those that the caller
// may not read, in the order of the kernel's table. Segments that come or go
// meanwhile may be in it or not.
func List() ([]Stat, error) {
	usage, err := Usage()
	if err != nil {
		return nil, err
	}
	list := walk(shmSTATANY, usage.MaxIndex)
	if len(list) > 0 || usage.Segments == 0 {
		return list, nil
	}
	// Before Linux 4.17 there is no SHM_STAT_ANY; the file tells as much.
	if list, err = readProc(procPath); err == nil {
		return list, nil
	}
	return walk(shmSTAT, usage.MaxIndex), nil
}

// walk asks for each index of the kernel's table. An index without a segment, and
// with SHM_STAT one without permission, is passed over.
func walk(cmd, last int) []Stat {
	var list []Stat
	for i := 0; i <= last; i++ {
		var ds unix.SysvShmDesc
		if id, err := unix.SysvShmCtl(i, cmd, &ds); err == nil {
			list = append(list, newStat(id, &ds))
		}
	}
	return list
}
