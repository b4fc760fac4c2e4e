//go:build !linux

package sysv

import "syscall"

func errnoName(syscall.Errno) string { return "" }

func denied(family string) string { return family + ": this package supports Linux only" }

func fileID(string) (dev, ino uint64, err error) { return 0, 0, syscall.ENOSYS }
