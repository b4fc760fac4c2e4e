//go:build !linux

package sysvsem

import (
	"io/fs"
	"syscall"
	"time"
)

// No call reaches a system other than Linux: each ends with ENOSYS, which is errors.ErrUnsupported.

func semget(Key, int, int) (int, syscall.Errno) { return 0, syscall.ENOSYS }

func semtimedop(int, []Op, time.Duration) syscall.Errno { return syscall.ENOSYS }

func trySemop(int, []Op) syscall.Errno { return syscall.ENOSYS }

func semctl(int, int, int, int) (int, syscall.Errno) { return 0, syscall.ENOSYS }

func semctlValues(int, int, []uint16) syscall.Errno { return syscall.ENOSYS }

func semctlInfo(int, *seminfo) (int, syscall.Errno) { return 0, syscall.ENOSYS }

func readStat(int, int) (Stat, syscall.Errno) { return Stat{}, syscall.ENOSYS }

func setPerm(int, int, int, fs.FileMode) syscall.Errno { return syscall.ENOSYS }

func isParent() (bool, error) { return false, syscall.ENOSYS }

func dropUndo() error { return syscall.ENOSYS }
