//go:build !race

package ring

import (
	"unsafe"

	"shmbus/layout"
)

const (
	// fewBytes is up to where a copy by words is faster than memmove, which loads more at once than a caller has just
	// stored, so that the processor can not forward it from the stores.
	fewBytes = 64
	// pieceBytes is how much is copied at once: from 1 MiB on memmove stores past the caches, in which the other side
	// wants to find it.
	pieceBytes = 256 << 10
)

// Few reports whether n bytes of a frame that fits its slot are for [Filling.Head] and [Filling.Tail], and for [Find.Few], which are
// inlined, rather than for copyIn and copyOut.
func Few(n int) bool { return uint(n)-16 <= fewBytes-16 }

// Few copies the frame's first n bytes to dst. The caller has bounded n by dst and asked [Few]. Another processor has written
// them: loads may be wider than its stores were.
func (f Find) Few(dst []byte, n int) {
	to, from, last := startOf(dst), slotPayload(f.at), n-16
	for i := 0; i < last; i += 16 {
		*(*[2]uint64)(unsafe.Add(to, i)) = *(*[2]uint64)(unsafe.Add(from, i))
	}
	*(*[2]uint64)(unsafe.Add(to, last)) = *(*[2]uint64)(unsafe.Add(from, last))
}

// Head and Tail copy a frame to the slot. The caller has asked [Few]. They are two
// because one would not be inlined; a loop is slower.
func (f Filling) Head(frame []byte) {
	from := unsafe.Pointer(unsafe.SliceData(frame))
	if len(frame) > 16 {
		copyTwo(f.at, from, 0)
		if len(frame) > 32 {
			copyTwo(f.at, from, 16)
		}
	}
}

// Tail copies of more than 48 bytes those from 32 on, and the last 16 of any.
func (f Filling) Tail(frame []byte) {
	from := unsafe.Pointer(unsafe.SliceData(frame))
	if len(frame) > 48 {
		copyTwo(f.at, from, 32)
	}
	copyTwo(f.at, from, len(frame)-16)
}

// copyTwo copies two words at offset i of a frame to their place in a slot.
func copyTwo(slot, from unsafe.Pointer, i int) {
	const first, second = layout.FrameHeaderSize, layout.FrameHeaderSize + 8
	*(*uint64)(unsafe.Add(slot, i+first)) = *(*uint64)(unsafe.Add(from, i))
	*(*uint64)(unsafe.Add(slot, i+second)) = *(*uint64)(unsafe.Add(from, i+8))
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
