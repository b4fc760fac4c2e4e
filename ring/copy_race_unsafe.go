//go:build race

package ring

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// copyIn writes whole words, so the bytes behind src up to the next multiple of 8 are
// overwritten; slots are multiples of 64 bytes.
func copyIn(dst unsafe.Pointer, src []byte) {
	for i := 0; i < len(src); i += 8 {
		var w [8]byte
		copy(w[:], src[i:])
		atomic.StoreUint64((*uint64)(unsafe.Add(dst, i)), binary.NativeEndian.Uint64(w[:]))
	}
}

func copyOut(dst []byte, src unsafe.Pointer) {
	for i := 0; i < len(dst); i += 8 {
		var w [8]byte
		binary.NativeEndian.PutUint64(w[:], atomic.LoadUint64((*uint64)(unsafe.Add(src, i))))
		copy(dst[i:], w[:])
	}
}
