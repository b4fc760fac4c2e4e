package ring

import (
	"fmt"
	"math/bits"
	"unsafe"

	"shmbus/layout"
)

// memory turns offsets that package layout has computed, and numbers that the caller has bounded,
// into pointers. Only this file, copy_unsafe.go and copy_race_unsafe.go make pointers.
//
// Each publisher and each cursor has a copy of it, which saves one load for each message.
type memory struct {
	entries  unsafe.Pointer
	slots    unsafe.Pointer
	slotSize uintptr
	mask     uint64 // number of entries, less 1
	shift    uint   // binary logarithm of the number of entries
	total    uint32 // number of slots, owned ones included
	base     []byte // keeps the memory reachable
}

// An address points to a slot or into one.
type address = unsafe.Pointer

func newMemory(mem []byte, m layout.Map) (memory, error) {
	if len(mem) < m.Size {
		return memory{}, fmt.Errorf(
			"ring: the memory has %d bytes, but the geometry needs %d", len(mem), m.Size)
	}
	base := unsafe.Pointer(unsafe.SliceData(mem))
	if uintptr(base)%8 != 0 {
		return memory{}, fmt.Errorf("ring: the memory at %p is not aligned to 8 bytes", base)
	}
	return memory{
		entries:  unsafe.Add(base, m.Entries.Offset),
		slots:    unsafe.Add(base, m.Slots.Offset),
		slotSize: uintptr(m.Geometry.SlotSize),
		mask:     uint64(m.Geometry.Slots - 1),
		shift:    uint(bits.TrailingZeros(uint(m.Geometry.Slots))),
		total:    uint32(m.Geometry.TotalSlots()),
		base:     mem,
	}, nil
}

// word returns the word at an offset of the segment, bounded by the slice.
func (m *memory) word(offset int) *uint64 {
	return (*uint64)(unsafe.Pointer(unsafe.SliceData(m.base[offset : offset+8])))
}

// entry returns entry i; i is masked by the caller.
func (m *memory) entry(i uint64) *uint64 {
	return (*uint64)(unsafe.Add(m.entries, uintptr(i)*layout.EntrySize))
}

// slot returns the start of slot s; s is bounded by the caller.
func (m *memory) slot(s uint32) unsafe.Pointer {
	return unsafe.Add(m.slots, uintptr(s)*m.slotSize)
}

func slotPosition(slot unsafe.Pointer) *uint64 {
	return (*uint64)(unsafe.Add(slot, layout.FramePosition))
}

func slotInfo(slot unsafe.Pointer) *uint64 {
	return (*uint64)(unsafe.Add(slot, layout.FrameInfoOffset))
}

func slotPayload(slot address) address { return unsafe.Add(slot, layout.FrameHeaderSize) }

// payloadAt returns the address of byte off of a slot's payload; off is bounded by the caller.
func payloadAt(slot address, off int) address {
	return unsafe.Add(slot, layout.FrameHeaderSize+off)
}

func payloadWord(slot address, off int) *uint64 { return (*uint64)(payloadAt(slot, off)) }

// bytesAt returns n bytes at p, which the caller has bounded, with no capacity beyond.
func bytesAt(p unsafe.Pointer, n int) []byte { return unsafe.Slice((*byte)(p), n) }

// startOf returns the address of b's first byte.
func startOf(b []byte) address { return unsafe.Pointer(unsafe.SliceData(b)) }

// alignedMemory returns zeroed heap memory aligned to 8 bytes.
func alignedMemory(size int) []byte {
	w := make([]uint64, (size+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(w))), size)
}
