//go:build race

package ring

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// Few reports whether there is a faster way than copyIn and copyOut. There is none that the race detector could see.
func Few(int) bool { return false }

func (f Find) Few([]byte, int) { panic("ring: Find.Few in a race-detector build") }

func (f Filling) Head([]byte) { panic("ring: Filling.Head in a race-detector build") }

func (f Filling) Tail([]byte) { panic("ring: Filling.Tail in a race-detector build") }

// copyIn writes whole words; slots are multiples of 64 bytes. The bytes behind src keep what they were: only
// the slot's owner writes to it.
func copyIn(dst unsafe.Pointer, src []byte) {
	for i := 0; i < len(src); i += 8 {
		p := (*uint64)(unsafe.Add(dst, i))
		var w [8]byte
		binary.NativeEndian.PutUint64(w[:], atomic.LoadUint64(p))
		copy(w[:], src[i:])
		atomic.StoreUint64(p, binary.NativeEndian.Uint64(w[:]))
	}
}

func copyOut(dst []byte, src unsafe.Pointer) {
	for i := 0; i < len(dst); i += 8 {
		var w [8]byte
		binary.NativeEndian.PutUint64(w[:], atomic.LoadUint64((*uint64)(unsafe.Add(src, i))))
		copy(dst[i:], w[:])
	}
}
