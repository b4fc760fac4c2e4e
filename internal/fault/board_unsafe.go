//go:build faults

package fault

import (
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const boardSize = 8 * (2 + int(points))

// place puts the board's words into the file at path, or on the heap if path is empty.
func (b *board) place(path string) error {
	words := make([]atomic.Uint64, 2+points)
	if path != "" {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := f.Truncate(int64(boardSize)); err != nil {
			return err
		}
		mem, err := unix.Mmap(int(f.Fd()), 0, boardSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return err
		}
		words = unsafe.Slice((*atomic.Uint64)(unsafe.Pointer(&mem[0])), 2+points)
	}
	b.last, b.fired, b.visits = &words[0], &words[1], words[2:]
	return nil
}
