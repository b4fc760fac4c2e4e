package codec

import (
	"bytes"
	"math"
	"strconv"

	"shmbus/internal/wire"
)

// maxPlain exceeds the length of every plain number's text: a sign, 21
// digits and ".0", or 17 digits, a point and an exponent such as e-308.
const maxPlain = 32

// number appends the frame of a JSON number, which follows JSON's grammar, to dst.
func (e *encoder) number(dst, text []byte) ([]byte, error) {
	if len(text) == 1 {
		return append(dst, text[0]-'0'), nil
	}
	if e.numbers == Exact {
		if out, ok := appendPlainNumber(dst, text); ok {
			return out, nil
		}
		return append(wire.AppendExtHead(dst, wire.ExtNumber, len(text)), text...), nil
	}
	n := wire.Nearest(text)
	if !n.Fits {
		if math.IsInf(n.Float(), 0) || e.numbers == Refuse {
			return dst, newNumberError(text, n.Float())
		}
		if e.rounded != nil {
			e.rounded(text, n.Float())
		}
	}
	return n.Append(dst), nil
}

// appendPlainNumber appends the frame of a number whose text is the one rendering of an int64, a
// uint64 or a float64.
func appendPlainNumber(dst, text []byte) ([]byte, bool) {
	if len(text) > maxPlain {
		return dst, false
	}
	digits := text
	negative := text[0] == '-'
	if negative {
		digits = text[1:]
	}
	var n uint64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return appendPlainFloat(dst, text)
		}
		d := uint64(c - '0')
		if n > (math.MaxUint64-d)/10 {
			return appendPlainFloat(dst, text) // it is none, unless a point follows
		}
		n = 10*n + d
	}
	switch {
	case !negative:
		return wire.AppendUint(dst, n), true
	case n == 0 || n > 1<<63:
		return dst, false
	}
	return wire.AppendInt(dst, int64(-n)), true
}

func appendPlainFloat(dst, text []byte) ([]byte, bool) {
	known, plain := recognise(text)
	if known && !plain {
		return dst, false
	}
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return dst, false
	}
	if !known {
		var space [maxPlain]byte
		if !bytes.Equal(appendFloat(space[:0], v, 64), text) {
			return dst, false
		}
	}
	return wire.AppendFloat64(dst, math.Float64bits(v)), true
}

// recognise reports for most numbers, without rendering them, whether text is the rendering of the
// float64 that it is read as.
func recognise(text []byte) (known, plain bool) {
	significant, leading, point := 0, 0, -1
	for i, c := range text {
		switch {
		case c == '-':
		case c == '.':
			point = i
		case c == 'E':
			return true, false
		case c == 'e':
			return text[i+1] != '+' && text[i+1] != '-', false
		case c != '0' || significant > 0:
			significant++
		case point >= 0:
			leading++
		}
	}
	if text[len(text)-1] == '0' && point < len(text)-2 {
		return true, false
	}
	return significant <= 15 && leading < 6, true
}

// isExactNumber reports whether an ext of type [wire.ExtNumber] with this
// payload is what Exact makes of some number, namely of the payload itself.
func isExactNumber(payload []byte) bool {
	if !wire.IsNumber(payload) {
		return false
	}
	var space [maxPlain]byte
	_, plain := appendPlainNumber(space[:0], payload)
	return !plain
}

// appendFloat appends the one rendering of a finite float of the given size
// in bits: ECMAScript's Number::toString, as in encoding/json, but with ".0"
// where that has neither a point nor an exponent.
func appendFloat(dst []byte, v float64, bits int) []byte {
	format := byte('f')
	if abs := math.Abs(v); abs != 0 {
		if bits == 64 && (abs < 1e-6 || abs >= 1e21) ||
			bits == 32 && (float32(abs) < 1e-6 || float32(abs) >= 1e21) {
			format = 'e'
		}
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, v, format, -1, bits)
	if format == 'f' {
		if bytes.IndexByte(dst[start:], '.') < 0 {
			dst = append(dst, '.', '0')
		}
		return dst
	}
	// e-09 is written e-9; an exponent of 21 or more has its two digits.
	if n := len(dst); dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}
