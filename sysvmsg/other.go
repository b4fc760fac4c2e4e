//go:build !linux

package sysvmsg

import (
	"io/fs"
	"syscall"
)

// No call reaches a system other than Linux: each ends with ENOSYS, which is errors.ErrUnsupported.

func msgget(Key, int) (int, syscall.Errno) { return 0, syscall.ENOSYS }

func msgsnd(int, Message, int) syscall.Errno { return syscall.ENOSYS }

func msgrcv(int, []byte, int64, int) (Message, syscall.Errno) { return Message{}, syscall.ENOSYS }

func readStat(int, int) (Stat, syscall.Errno) { return Stat{}, syscall.ENOSYS }

func setPerm(int, int, int, fs.FileMode) syscall.Errno { return syscall.ENOSYS }

func setMaxBytes(int, int) syscall.Errno { return syscall.ENOSYS }

func msgctlRemove(int) syscall.Errno { return syscall.ENOSYS }

func msgctlInfo(int, *msginfo) (int, syscall.Errno) { return 0, syscall.ENOSYS }
