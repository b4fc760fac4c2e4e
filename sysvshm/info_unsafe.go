package sysvshm

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

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

func shmctlLimits(si *shminfo) error {
	_, _, errno := unix.Syscall(unix.SYS_SHMCTL, 0, ipcINFO, uintptr(unsafe.Pointer(si)))
	if errno != 0 {
		return errno
	}
	return nil
}

func shmctlUsage(su *shmUsage) (int, error) {
	last, _, errno := unix.Syscall(unix.SYS_SHMCTL, 0, shmINFO, uintptr(unsafe.Pointer(su)))
	if errno != 0 {
		return 0, errno
	}
	return int(last), nil
}
