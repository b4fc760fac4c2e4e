//go:build !race

package ring

import "unsafe"

// copyIn copies src to slot memory.
func copyIn(dst unsafe.Pointer, src []byte) {
	copy(unsafe.Slice((*byte)(dst), len(src)), src)
}

// copyOut copies slot memory to dst. What it copies may change meanwhile: the caller
// validates the entry afterwards.
func copyOut(dst []byte, src unsafe.Pointer) {
	copy(dst, unsafe.Slice((*byte)(src), len(dst)))
}
