//go:build !linux

package sysv

import (
	"context"
	"syscall"
)

// CanInterrupt reports whether Wait can end a call: there is none.
func CanInterrupt() bool { return true }

// Wait returns the error number of the call.
func Wait(_ context.Context, call func() syscall.Errno) syscall.Errno { return call() }

func errnoName(syscall.Errno) string { return "" }

func denied(family string) string { return family + " are Linux only in this package" }

func fileID(string) (dev, ino uint64, err error) { return 0, 0, syscall.ENOSYS }
