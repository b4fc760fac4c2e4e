package wire

import (
	"encoding/binary"
	"io"
	"math"
)

// A Kind is the family of a msgpack value, whatever the width of its encoding.
type Kind uint8

// The kinds. Invalid is that of the one byte that msgpack gives no meaning.
const (
	Invalid Kind = iota
	Nil
	False
	True
	Uint
	Int
	Float32
	Float64
	Str
	Bin
	Ext
	Array
	Map
)

// A Head is what precedes a value's payload or elements. N is the number
// itself (an int in two's complement, a float's bits), the payload's length
// in bytes, or the count of elements, in a map of pairs.
type Head struct {
	Kind Kind
	Ext  int8
	N    uint64
}

// wide describes the first bytes from 0xc0 to 0xdf, by their low bits: how many bytes of n
// follow, or, where none do, n itself. An ext's type comes after n.
var wide = [32]struct {
	kind  Kind
	width uint8
	n     uint8
}{
	0xc0 & 0x1f: {kind: Nil},
	0xc1 & 0x1f: {kind: Invalid},
	0xc2 & 0x1f: {kind: False},
	0xc3 & 0x1f: {kind: True},
	0xc4 & 0x1f: {kind: Bin, width: 1},
	0xc5 & 0x1f: {kind: Bin, width: 2},
	0xc6 & 0x1f: {kind: Bin, width: 4},
	0xc7 & 0x1f: {kind: Ext, width: 1},
	0xc8 & 0x1f: {kind: Ext, width: 2},
	0xc9 & 0x1f: {kind: Ext, width: 4},
	0xca & 0x1f: {kind: Float32, width: 4},
	0xcb & 0x1f: {kind: Float64, width: 8},
	0xcc & 0x1f: {kind: Uint, width: 1},
	0xcd & 0x1f: {kind: Uint, width: 2},
	0xce & 0x1f: {kind: Uint, width: 4},
	0xcf & 0x1f: {kind: Uint, width: 8},
	0xd0 & 0x1f: {kind: Int, width: 1},
	0xd1 & 0x1f: {kind: Int, width: 2},
	0xd2 & 0x1f: {kind: Int, width: 4},
	0xd3 & 0x1f: {kind: Int, width: 8},
	0xd4 & 0x1f: {kind: Ext, n: 1},
	0xd5 & 0x1f: {kind: Ext, n: 2},
	0xd6 & 0x1f: {kind: Ext, n: 4},
	0xd7 & 0x1f: {kind: Ext, n: 8},
	0xd8 & 0x1f: {kind: Ext, n: 16},
	0xd9 & 0x1f: {kind: Str, width: 1},
	0xda & 0x1f: {kind: Str, width: 2},
	0xdb & 0x1f: {kind: Str, width: 4},
	0xdc & 0x1f: {kind: Array, width: 2},
	0xdd & 0x1f: {kind: Array, width: 4},
	0xde & 0x1f: {kind: Map, width: 2},
	0xdf & 0x1f: {kind: Map, width: 4},
}

// ReadHead reads the head b begins with and returns its size in bytes. The
// error is ErrInvalidByte, or io.ErrUnexpectedEOF if b ends within the head.
func ReadHead(b []byte) (h Head, size int, err error) {
	if len(b) == 0 {
		return Head{}, 0, io.ErrUnexpectedEOF
	}
	switch c := b[0]; {
	case c < 0x80:
		return Head{Kind: Uint, N: uint64(c)}, 1, nil
	case c < 0x90:
		return Head{Kind: Map, N: uint64(c & 0xf)}, 1, nil
	case c < 0xa0:
		return Head{Kind: Array, N: uint64(c & 0xf)}, 1, nil
	case c < 0xc0:
		return Head{Kind: Str, N: uint64(c & 0x1f)}, 1, nil
	case c >= 0xe0:
		return Head{Kind: Int, N: uint64(int8(c))}, 1, nil
	}
	w := wide[b[0]&0x1f]
	h = Head{Kind: w.kind, N: uint64(w.n)}
	size = 1 + int(w.width)
	if h.Kind == Ext {
		size++
	}
	if len(b) < size {
		return Head{}, 0, io.ErrUnexpectedEOF
	}
	switch w.width {
	case 1:
		h.N = uint64(b[1])
	case 2:
		h.N = uint64(binary.BigEndian.Uint16(b[1:]))
	case 4:
		h.N = uint64(binary.BigEndian.Uint32(b[1:]))
	case 8:
		h.N = binary.BigEndian.Uint64(b[1:])
	}
	switch h.Kind {
	case Invalid:
		return Head{}, 0, ErrInvalidByte
	case Int:
		unused := 64 - 8*uint(w.width)
		h.N = uint64(int64(h.N<<unused) >> unused)
	case Ext:
		h.Ext = int8(b[size-1])
	}
	return h, size, nil
}

// AppendUint appends n as the shortest msgpack integer.
func AppendUint(dst []byte, n uint64) []byte {
	switch {
	case n < 0x80:
		return append(dst, byte(n))
	case n <= math.MaxUint8:
		return append(dst, 0xcc, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, 0xcd), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, 0xce), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xcf), n)
}

// AppendInt appends n as the shortest msgpack integer.
func AppendInt(dst []byte, n int64) []byte {
	switch {
	case n >= 0:
		return AppendUint(dst, uint64(n))
	case n >= -32:
		return append(dst, byte(n))
	case n >= math.MinInt8:
		return append(dst, 0xd0, byte(n))
	case n >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(dst, 0xd1), uint16(n))
	case n >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(dst, 0xd2), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xd3), uint64(n))
}

// AppendFloat64 appends the float64 with these bits.
func AppendFloat64(dst []byte, bits uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 0xcb), bits)
}

// AppendString appends s as a msgpack str.
func AppendString(dst []byte, s string) []byte {
	return append(AppendStrHead(dst, len(s)), s...)
}

// AppendStrHead appends what precedes the n bytes of a str. Here as below, n fits 32 bits.
func AppendStrHead(dst []byte, n int) []byte {
	if n < 32 {
		return append(dst, 0xa0|byte(n))
	}
	return appendLength(dst, 0xd9, n)
}

// AppendBinHead appends what precedes the n bytes of a bin.
func AppendBinHead(dst []byte, n int) []byte { return appendLength(dst, 0xc4, n) }

// AppendExtHead appends what precedes the n bytes of an ext.
func AppendExtHead(dst []byte, typ int8, n int) []byte {
	switch n {
	case 1:
		dst = append(dst, 0xd4)
	case 2:
		dst = append(dst, 0xd5)
	case 4:
		dst = append(dst, 0xd6)
	case 8:
		dst = append(dst, 0xd7)
	case 16:
		dst = append(dst, 0xd8)
	default:
		dst = appendLength(dst, 0xc7, n)
	}
	return append(dst, byte(typ))
}

// appendLength appends the narrowest of the three consecutive first bytes
// that begin at first, those for lengths of 8, 16 and 32 bits, and n.
func appendLength(dst []byte, first byte, n int) []byte {
	switch {
	case n <= math.MaxUint8:
		return append(dst, first, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, first+1), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, first+2), uint32(n))
}

// ExtTime is the ext type of a timestamp.
const ExtTime = -1

// Timestamp reads a timestamp's payload: seconds since 1970 in 32 bits, nanoseconds and seconds in
// 30 and 34 bits, or in 32 and 64 bits. It is not ok for any other payload.
func Timestamp(payload []byte) (sec int64, nsec uint32, ok bool) {
	switch len(payload) {
	case 4:
		sec = int64(binary.BigEndian.Uint32(payload))
	case 8:
		bits := binary.BigEndian.Uint64(payload)
		sec, nsec = int64(bits&(1<<34-1)), uint32(bits>>34)
	case 12:
		nsec = binary.BigEndian.Uint32(payload)
		sec = int64(binary.BigEndian.Uint64(payload[4:]))
	default:
		return 0, 0, false
	}
	return sec, nsec, nsec < 1e9
}
