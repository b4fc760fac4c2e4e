//go:build !linux

package sysvshm

import (
	"io/fs"
	"syscall"
)

// No call reaches a system other than Linux: each ends with ENOSYS, which is errors.ErrUnsupported.

func shmget(Key, int, int) (int, syscall.Errno) { return 0, syscall.ENOSYS }

func shmat(int, int) ([]byte, syscall.Errno) { return nil, syscall.ENOSYS }

func shmdt([]byte) syscall.Errno { return syscall.ENOSYS }

func dontDump([]byte) syscall.Errno { return syscall.ENOSYS }

func shmctl(int, int) syscall.Errno { return syscall.ENOSYS }

func shmctlLimits(*shminfo) syscall.Errno { return syscall.ENOSYS }

func shmctlUsage(*shmUsage) (int, syscall.Errno) { return 0, syscall.ENOSYS }

func readStat(int, int) (Stat, syscall.Errno) { return Stat{}, syscall.ENOSYS }

func setPerm(int, int, int, fs.FileMode) syscall.Errno { return syscall.ENOSYS }
