package sysv

import (
	"io/fs"
	"syscall"
)

// Key is a System V IPC key.
type Key = int32

// Private is the key IPC_PRIVATE.
const Private Key = 0

// Flags of semget, shmget and msgget, and the flag of an operation that must not wait.
const (
	Create    = 0o1000 // IPC_CREAT
	Exclusive = 0o2000 // IPC_EXCL
	NoWait    = 0o4000 // IPC_NOWAIT
)

// Commands of semctl, shmctl and msgctl.
const (
	Remove = 0 // IPC_RMID
	Set    = 1 // IPC_SET
	Stat   = 2 // IPC_STAT
	Info   = 3 // IPC_INFO
)

// Ftok makes a key from a file and a project number, as the C library's ftok does. Project 0 is an
// error, because C leaves its result undefined and the key could be Private.
func Ftok(path string, proj byte) (Key, error) {
	if proj == 0 {
		return 0, &fs.PathError{Op: "ftok", Path: path, Err: errProject{}}
	}
	dev, ino, err := fileID(path)
	if err != nil {
		return 0, &fs.PathError{Op: "ftok", Path: path, Err: err}
	}
	return keyOf(dev, ino, proj), nil
}

// keyOf is the C library's formula: 8 bits project, 8 bits device, 16 bits inode number.
func keyOf(dev, ino uint64, proj byte) Key {
	return Key(uint32(proj)<<24 | uint32(dev&0xff)<<16 | uint32(ino&0xffff))
}

type errProject struct{}

func (errProject) Error() string {
	return "project number 0 could make the key 0, which is Private: use 1 to 255"
}

func (errProject) Unwrap() error { return syscall.EINVAL }
