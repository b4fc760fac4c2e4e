//go:build linux

package main

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A mapped is a file of n words, shared between the coordinator and a worker. What a worker has
// stored survives its death.
type mapped struct {
	words []uint64
	mem   []byte
}

func mapWords(path string, n int) (mapped, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return mapped{}, err
	}
	defer f.Close()
	if err := f.Truncate(int64(8 * n)); err != nil {
		return mapped{}, err
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, 8*n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return mapped{}, err
	}
	return mapped{unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(mem))), n), mem}, nil
}

func (m mapped) unmap() { unix.Munmap(m.mem) }
