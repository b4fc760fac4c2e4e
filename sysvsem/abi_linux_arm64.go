package sysvsem

import "golang.org/x/sys/unix"

// semidDS is struct semid64_ds of the kernel's asm-generic headers.
type semidDS struct {
	Perm  unix.SysvIpcPerm
	Otime int64
	Ctime int64
	Nsems uint64
	_     uint64
	_     uint64
}
