package segment

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"shmbus/layout"
)

// Words gives access to the words of a segment that lie outside the ring, each bounded by the
// slice.
type Words struct {
	Mem []byte
	Map layout.Map
}

// NewWords returns the words of mem, which is laid out as m says. It fails if mem is smaller than m
// or not aligned to 8 bytes.
func NewWords(mem []byte, m layout.Map) (Words, error) {
	if len(mem) < m.Size || uintptr(unsafe.Pointer(unsafe.SliceData(mem)))%8 != 0 {
		return Words{}, fmt.Errorf("%w: %d bytes mapped, %d needed", layout.ErrCorrupt, len(mem),
			m.Size)
	}
	widenMapped(mem)
	return Words{Mem: mem, Map: m}, nil
}

// Word returns the word at an offset in bytes.
func (w *Words) Word(offset int) *uint64 {
	return (*uint64)(unsafe.Pointer(unsafe.SliceData(w.Mem[offset : offset+8])))
}

// Pair returns the two words at offset and after it. Only one process writes them.
func (w *Words) Pair(offset int) *[2]uint64 { return (*[2]uint64)(w.Row(offset, 2)) }

// Row returns n words from offset on. Words that processes share are accessed with sync/atomic
// only.
func (w *Words) Row(offset, n int) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(w.Mem[offset:offset+8*n]))), n)
}

// Header, Client, Pub, Sub and Topic return the word of a field of the header, or of record number
// c, p, s or t. A field is a constant of package layout whose name begins with the method's name:
// HeaderState, ClientPid, PubIntent, SubWake, TopicOwner.
func (w *Words) Header(field int) *uint64    { return w.Word(field) }
func (w *Words) Client(c, field int) *uint64 { return w.Word(w.Map.Clients.At(c) + field) }
func (w *Words) Pub(p, field int) *uint64    { return w.Word(w.Map.Publishers.At(p) + field) }
func (w *Words) Sub(s, field int) *uint64    { return w.Word(w.Map.Subscribers.At(s) + field) }
func (w *Words) Topic(t, field int) *uint64  { return w.Word(w.Map.Topics.At(t) + field) }

// Interest returns the bits of the subscribers that want topic t.
func (w *Words) Interest(t int) []uint64 {
	return w.Row(w.Map.Interest.At(t), w.Map.Geometry.SubscriberWords())
}

// Text returns the bytes of a text field.
func (w *Words) Text(offset, size int) []byte { return w.Mem[offset : offset+size : offset+size] }

// SetText fills a text field, cut to its size and padded with zeros. Its last byte stays zero.
func SetText(dst []byte, s string) {
	n := copy(dst[:len(dst)-1], s)
	clear(dst[n:])
}

// High returns one of the header's high-water marks, bounded by the table's size.
func (w *Words) High(field, limit int) int {
	return int(min(atomic.LoadUint64(w.Header(field)), uint64(limit)))
}

// RaiseHigh makes sure that record i is below the high-water mark.
func (w *Words) RaiseHigh(field, i int) {
	p := w.Header(field)
	for {
		old := atomic.LoadUint64(p)
		if old > uint64(i) || atomic.CompareAndSwapUint64(p, old, uint64(i)+1) {
			return
		}
	}
}

// mappedLow and mappedEnd enclose all segments that this process has attached since it began.
var mappedLow, mappedEnd atomic.Uintptr

func widenMapped(mem []byte) {
	low := uintptr(unsafe.Pointer(unsafe.SliceData(mem)))
	for {
		old := mappedLow.Load()
		if old != 0 && old <= low || mappedLow.CompareAndSwap(old, low) {
			break
		}
	}
	end := low + uintptr(len(mem))
	for {
		old := mappedEnd.Load()
		if old >= end || mappedEnd.CompareAndSwap(old, end) {
			break
		}
	}
}

// Mapped reports whether b may begin in a segment, whichever handle has attached it. It is false
// for memory that Go allocated, because the kernel maps segments at other addresses.
func Mapped(b []byte) bool {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	return at >= mappedLow.Load() && at < mappedEnd.Load()
}

// SameStart reports whether a and b begin at the same address.
func SameStart(a, b []byte) bool { return unsafe.SliceData(a) == unsafe.SliceData(b) }
