package sysvsem

import "golang.org/x/sys/unix"

// semidDS is struct semid64_ds. On x86 a reserved word follows each of the times,
// which the other architectures do not have.
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
