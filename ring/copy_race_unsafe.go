//go:build race

package ring

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// ByWords is false in race-detector builds: the detector sees only what copyIn and copyOut do.
func ByWords(int) bool { return false }

func (f Frame) CopyWords([]byte, int) { panic("ring: Frame.CopyWords in a race-detector build") }

func (s Slot) PutFront([]byte) { panic("ring: Slot.PutFront in a race-detector build") }

func (s Slot) PutBack([]byte) { panic("ring: Slot.PutBack in a race-detector build") }

// copyIn writes whole words, with the bytes around src as they are: slots are multiples of 64
// bytes, and only the slot's owner writes to it.
func copyIn(dst unsafe.Pointer, src []byte) {
	for i := -int(uintptr(dst) % 8); len(src) > 0; i += 8 {
		p := (*uint64)(unsafe.Add(dst, i))
		var w [8]byte
		binary.NativeEndian.PutUint64(w[:], atomic.LoadUint64(p))
		n := copy(w[max(-i, 0):], src)
		atomic.StoreUint64(p, binary.NativeEndian.Uint64(w[:]))
		src = src[n:]
	}
}

// copyOut reads whole words; src is aligned to 8 bytes.
func copyOut(dst []byte, src unsafe.Pointer) {
	for i := 0; i < len(dst); i += 8 {
		var w [8]byte
		binary.NativeEndian.PutUint64(w[:], atomic.LoadUint64((*uint64)(unsafe.Add(src, i))))
		copy(dst[i:], w[:])
	}
}
