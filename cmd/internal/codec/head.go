package codec

import (
	"encoding/binary"
	"io"
	"math"
)

// kind is the family of a msgpack value, whatever the width of its encoding.
type kind uint8

const (
	kindInvalid kind = iota
	kindNil
	kindFalse
	kindTrue
	kindUint
	kindInt
	kindFloat32
	kindFloat64
	kindStr
	kindBin
	kindExt
	kindArray
	kindMap
)

// head is what precedes a value's payload or elements. n is the number
// itself (an int in two's complement, a float's bits), the payload's length
// in bytes, or the count of elements, in a map of pairs.
type head struct {
	kind kind
	ext  int8
	n    uint64
}

// wide describes the first bytes from 0xc0 to 0xdf, by their low bits: how many bytes of n
// follow, or, where none do, n itself. An ext's type comes after n.
var wide = [32]struct {
	kind  kind
	width uint8
	n     uint8
}{
	0xc0 & 0x1f: {kind: kindNil},
	0xc1 & 0x1f: {kind: kindInvalid},
	0xc2 & 0x1f: {kind: kindFalse},
	0xc3 & 0x1f: {kind: kindTrue},
	0xc4 & 0x1f: {kind: kindBin, width: 1},
	0xc5 & 0x1f: {kind: kindBin, width: 2},
	0xc6 & 0x1f: {kind: kindBin, width: 4},
	0xc7 & 0x1f: {kind: kindExt, width: 1},
	0xc8 & 0x1f: {kind: kindExt, width: 2},
	0xc9 & 0x1f: {kind: kindExt, width: 4},
	0xca & 0x1f: {kind: kindFloat32, width: 4},
	0xcb & 0x1f: {kind: kindFloat64, width: 8},
	0xcc & 0x1f: {kind: kindUint, width: 1},
	0xcd & 0x1f: {kind: kindUint, width: 2},
	0xce & 0x1f: {kind: kindUint, width: 4},
	0xcf & 0x1f: {kind: kindUint, width: 8},
	0xd0 & 0x1f: {kind: kindInt, width: 1},
	0xd1 & 0x1f: {kind: kindInt, width: 2},
	0xd2 & 0x1f: {kind: kindInt, width: 4},
	0xd3 & 0x1f: {kind: kindInt, width: 8},
	0xd4 & 0x1f: {kind: kindExt, n: 1},
	0xd5 & 0x1f: {kind: kindExt, n: 2},
	0xd6 & 0x1f: {kind: kindExt, n: 4},
	0xd7 & 0x1f: {kind: kindExt, n: 8},
	0xd8 & 0x1f: {kind: kindExt, n: 16},
	0xd9 & 0x1f: {kind: kindStr, width: 1},
	0xda & 0x1f: {kind: kindStr, width: 2},
	0xdb & 0x1f: {kind: kindStr, width: 4},
	0xdc & 0x1f: {kind: kindArray, width: 2},
	0xdd & 0x1f: {kind: kindArray, width: 4},
	0xde & 0x1f: {kind: kindMap, width: 2},
	0xdf & 0x1f: {kind: kindMap, width: 4},
}

// readHead reads the head b begins with and returns its size in bytes. The
// error is ErrInvalidByte, or io.ErrUnexpectedEOF if b ends within the head.
func readHead(b []byte) (h head, size int, err error) {
	if len(b) == 0 {
		return head{}, 0, io.ErrUnexpectedEOF
	}
	switch c := b[0]; {
	case c < 0x80:
		return head{kind: kindUint, n: uint64(c)}, 1, nil
	case c < 0x90:
		return head{kind: kindMap, n: uint64(c & 0xf)}, 1, nil
	case c < 0xa0:
		return head{kind: kindArray, n: uint64(c & 0xf)}, 1, nil
	case c < 0xc0:
		return head{kind: kindStr, n: uint64(c & 0x1f)}, 1, nil
	case c >= 0xe0:
		return head{kind: kindInt, n: uint64(int8(c))}, 1, nil
	}
	w := wide[b[0]&0x1f]
	h = head{kind: w.kind, n: uint64(w.n)}
	size = 1 + int(w.width)
	if h.kind == kindExt {
		size++
	}
	if len(b) < size {
		return head{}, 0, io.ErrUnexpectedEOF
	}
	switch w.width {
	case 1:
		h.n = uint64(b[1])
	case 2:
		h.n = uint64(binary.BigEndian.Uint16(b[1:]))
	case 4:
		h.n = uint64(binary.BigEndian.Uint32(b[1:]))
	case 8:
		h.n = binary.BigEndian.Uint64(b[1:])
	}
	switch h.kind {
	case kindInvalid:
		return head{}, 0, ErrInvalidByte
	case kindInt:
		unused := 64 - 8*uint(w.width)
		h.n = uint64(int64(h.n<<unused) >> unused)
	case kindExt:
		h.ext = int8(b[size-1])
	}
	return h, size, nil
}

// AppendMsgpackUint appends n as the shortest msgpack integer.
func AppendMsgpackUint(dst []byte, n uint64) []byte { return appendUint(dst, n) }

// AppendMsgpackString appends s as a msgpack str.
func AppendMsgpackString(dst []byte, s string) []byte {
	return append(appendStrHead(dst, len(s)), s...)
}

func appendUint(dst []byte, n uint64) []byte {
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

func appendInt(dst []byte, n int64) []byte {
	switch {
	case n >= 0:
		return appendUint(dst, uint64(n))
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

func appendFloat64(dst []byte, bits uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 0xcb), bits)
}

// The lengths given to the functions below fit 32 bits; see fits.

func appendStrHead(dst []byte, n int) []byte {
	if n < 32 {
		return append(dst, 0xa0|byte(n))
	}
	return appendLength(dst, 0xd9, n)
}

func appendBinHead(dst []byte, n int) []byte { return appendLength(dst, 0xc4, n) }

func appendExtHead(dst []byte, typ int8, n int) []byte {
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
