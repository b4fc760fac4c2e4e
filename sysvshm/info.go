package sysvshm

import (
	"bytes"
	"os"
	"syscall"
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
	if errno := shmctlLimits(&si); errno != 0 {
		return SystemLimits{}, infoError("shmctl(IPC_INFO)", errno)
	}
	return SystemLimits{
		MaxSize:  si.Shmmax,
		MinSize:  si.Shmmin,
		Segments: int(si.Shmmni),
		Pages:    si.Shmall,
		PerProc:  int(si.Shmseg),
	}, nil
}

// ForcedRemoval reports whether the kernel destroys a segment of this IPC namespace with its last
// mapping, even if nobody has removed it (sysctl kernel.shm_rmid_forced). Attaching and detaching a
// segment that nobody else has attached then destroys it.
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
	last, errno := shmctlUsage(&su)
	if errno != 0 {
		return SystemUsage{}, infoError("shmctl(SHM_INFO)", errno)
	}
	return SystemUsage{
		Segments: int(su.UsedIDs),
		Pages:    su.Total,
		Resident: su.Resident,
		Swapped:  su.Swapped,
		MaxIndex: last,
	}, nil
}

func infoError(call string, errno syscall.Errno) error {
	return fail(call, -1, errno, object.Control(errno, func() bool { return false }))
}

// shminfo is struct shminfo64.
type shminfo struct {
	Shmmax uint64
	Shmmin uint64
	Shmmni uint64
	Shmseg uint64
	Shmall uint64
	_      [4]uint64
}

// shmUsage is struct shm_info.
type shmUsage struct {
	UsedIDs       int32
	_             int32
	Total         uint64
	Resident      uint64
	Swapped       uint64
	SwapAttempts  uint64 // always 0
	SwapSuccesses uint64 // always 0
}
