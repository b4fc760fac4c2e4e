//go:build !race

package ring

import (
	"unsafe"

	"shmbus/layout"
)

const (
	// From wordsMin to wordsMax bytes, a copy by words is faster than memmove. The loads of memmove
	// are wider than the stores that the caller has just made, so the processor cannot forward the
	// data from these stores to the loads.
	wordsMin, wordsMax = 16, 64
	// pieceBytes is how much is copied at once. For 1 MiB and more, memmove uses stores that bypass
	// the caches, but the other side should find the data in a cache.
	pieceBytes = 256 << 10
)

// ByWords reports whether n bytes of a frame that fits its slot are copied word by word, which is
// inlined: by [Slot.PutFront] and [Slot.PutBack] when published, by [Frame.CopyWords] when read. If
// not, [Publisher.Fill] and [Frame.Copy] copy them.
func ByWords(n int) bool { return uint(n)-wordsMin <= wordsMax-wordsMin }

// CopyWords copies the first n bytes of the payload to dst. The caller has checked that n is at
// most len(dst) and that [ByWords] is true. Loads may be wider here than the stores were, because
// another processor made those stores.
func (f Frame) CopyWords(dst []byte, n int) {
	to, from, last := startOf(dst), slotPayload(f.at), n-16
	for i := 0; i < last; i += 16 {
		*(*[2]uint64)(unsafe.Add(to, i)) = *(*[2]uint64)(unsafe.Add(from, i))
	}
	*(*[2]uint64)(unsafe.Add(to, last)) = *(*[2]uint64)(unsafe.Add(from, last))
}

// PutFront and PutBack together copy a frame to the slot; the caller has checked that [ByWords] is
// true. They are two functions because a single one would not be inlined; a loop is slower.
// PutFront copies bytes 0 to 15 of a frame longer than 16 bytes, and bytes 16 to 31 of a frame
// longer than 32.
func (s Slot) PutFront(frame []byte) {
	from := unsafe.Pointer(unsafe.SliceData(frame))
	if len(frame) > 16 {
		copyTwo(s.at, from, 0)
		if len(frame) > 32 {
			copyTwo(s.at, from, 16)
		}
	}
}

// PutBack copies bytes 32 to 47 of a frame longer than 48 bytes, and the last 16 bytes of any
// frame.
func (s Slot) PutBack(frame []byte) {
	from := unsafe.Pointer(unsafe.SliceData(frame))
	if len(frame) > 48 {
		copyTwo(s.at, from, 32)
	}
	copyTwo(s.at, from, len(frame)-16)
}

// copyTwo copies two words from offset i of a frame to the same offset of a slot's payload.
func copyTwo(slot, from unsafe.Pointer, i int) {
	const first, second = layout.FrameHeaderSize, layout.FrameHeaderSize + 8
	*(*uint64)(unsafe.Add(slot, i+first)) = *(*uint64)(unsafe.Add(from, i))
	*(*uint64)(unsafe.Add(slot, i+second)) = *(*uint64)(unsafe.Add(from, i+8))
}

// copyIn copies src to slot memory.
func copyIn(dst unsafe.Pointer, src []byte) {
	copyPieces(unsafe.Slice((*byte)(dst), len(src)), src)
}

// copyOut copies slot memory to dst. The source may change during the copy: the caller validates
// the entry afterwards.
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
