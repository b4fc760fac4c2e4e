package bus

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"shmbus/layout"
)

// words gives access to the segment's words outside the ring, each bounded by the slice.
type words struct {
	mem []byte
	m   layout.Map
}

func newWords(mem []byte, m layout.Map) (words, error) {
	if len(mem) < m.Size || uintptr(unsafe.Pointer(unsafe.SliceData(mem)))%8 != 0 {
		return words{}, fmt.Errorf("%w: %d bytes mapped, %d needed", layout.ErrCorrupt, len(mem), m.Size)
	}
	widenMapped(mem)
	return words{mem: mem, m: m}, nil
}

func (w *words) word(offset int) *uint64 {
	return (*uint64)(unsafe.Pointer(unsafe.SliceData(w.mem[offset : offset+8])))
}

// pair returns two words from offset on, which one process alone writes.
func (w *words) pair(offset int) *[2]uint64 { return (*[2]uint64)(w.row(offset, 2)) }

// row returns n words from offset on; whoever shares them accesses them with sync/atomic only.
func (w *words) row(offset, n int) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(w.mem[offset:offset+8*n]))), n)
}

func (w *words) header(field int) *uint64    { return w.word(field) }
func (w *words) client(c, field int) *uint64 { return w.word(w.m.Clients.At(c) + field) }
func (w *words) pub(p, field int) *uint64    { return w.word(w.m.Publishers.At(p) + field) }
func (w *words) sub(s, field int) *uint64    { return w.word(w.m.Subscribers.At(s) + field) }
func (w *words) topic(t, field int) *uint64  { return w.word(w.m.Topics.At(t) + field) }

// interest returns the bits of the subscribers that want topic t.
func (w *words) interest(t int) []uint64 {
	return w.row(w.m.Interest.At(t), w.m.Geometry.SubscriberWords())
}

// text returns the bytes of a text field.
func (w *words) text(offset, size int) []byte { return w.mem[offset : offset+size : offset+size] }

// setText fills a text field, cut to its size and padded with zeros. Its last byte stays zero.
func setText(dst []byte, s string) {
	n := copy(dst[:len(dst)-1], s)
	clear(dst[n:])
}

// high returns one of the header's high-water marks, bounded by the table's size.
func (w *words) high(field, limit int) int {
	return int(min(atomic.LoadUint64(w.header(field)), uint64(limit)))
}

// raiseHigh makes sure that record i is below the high-water mark.
func (w *words) raiseHigh(field, i int) {
	p := w.header(field)
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
	for old := mappedLow.Load(); (old == 0 || low < old) && !mappedLow.CompareAndSwap(old, low); old = mappedLow.Load() {
	}
	end := low + uintptr(len(mem))
	for old := mappedEnd.Load(); end > old && !mappedEnd.CompareAndSwap(old, end); old = mappedEnd.Load() {
	}
}

// mapped reports whether b may begin in a segment, of whatever handle. Memory of Go's own does not: the kernel puts segments elsewhere.
func mapped(b []byte) bool {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	return at >= mappedLow.Load() && at < mappedEnd.Load()
}

// sameStart reports whether a and b begin at the same address.
func sameStart(a, b []byte) bool { return unsafe.SliceData(a) == unsafe.SliceData(b) }
