//go:build !race

package ring

import "unsafe"

const (
	// fewBytes is up to where a copy by words is faster than memmove, which loads more at once than a caller has just
	// stored, so that the processor can not forward it from the stores.
	fewBytes = 64
	// pieceBytes is how much is copied at once: from 1 MiB on memmove stores past the caches, in which the other side
	// wants to find it.
	pieceBytes = 256 << 10
)

// areFew reports whether n bytes are for copyFew, which is inlined, rather than for copyIn and copyOut.
func areFew(n int) bool { return uint(n)-8 <= fewBytes-8 }

// copyFew copies n bytes by words. The last word may overlap the one before it.
func copyFew(dst, src unsafe.Pointer, n int) {
	last := uintptr(n) - 8
	for i := uintptr(0); i < last; i += 8 {
		*(*uint64)(unsafe.Add(dst, i)) = *(*uint64)(unsafe.Add(src, i))
	}
	*(*uint64)(unsafe.Add(dst, last)) = *(*uint64)(unsafe.Add(src, last))
}

// copyIn copies src to slot memory.
func copyIn(dst unsafe.Pointer, src []byte) {
	copyPieces(unsafe.Slice((*byte)(dst), len(src)), src)
}

// copyOut copies slot memory to dst. What it copies may change meanwhile: the caller
// validates the entry afterwards.
func copyOut(dst []byte, src unsafe.Pointer) {
	copyPieces(dst, unsafe.Slice((*byte)(src), len(dst)))
}

func copyPieces(dst, src []byte) {
	for len(src) > pieceBytes {
		copy(dst[:pieceBytes], src)
		dst, src = dst[pieceBytes:], src[pieceBytes:]
	}
	copy(dst, src)
}
