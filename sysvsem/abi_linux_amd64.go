package sysvsem

import "golang.org/x/sys/unix"

// semidDS is struct semid64_ds. On x86 a reserved word follows each of the times; other
// architectures do not have these words.
type semidDS struct {
	Perm  unix.SysvIpcPerm
	Otime int64
	_     uint64
	Ctime int64
	_     uint64
	Nsems uint64
	_     uint64
	_     uint64
}
