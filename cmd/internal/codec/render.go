package codec

import (
	"encoding/base64"
	"encoding/binary"
	"io"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"shmbus/internal/wire"
)

func appendJSONLine(dst, frame []byte) ([]byte, error) {
	r := renderer{frame: frame}
	out, err := r.value(dst, 0)
	switch {
	case err == io.ErrUnexpectedEOF:
		return dst, truncated(frame)
	case err != nil:
		return dst, frameError(r.pos, err)
	case r.pos < len(frame):
		return dst, frameError(r.pos, ErrTrailing)
	}
	return append(out, '\n'), nil
}

// renderer writes a frame as JSON. It trusts no length in the frame: each
// value takes at least a byte of the frame, so that a count of elements is
// no promise of work or memory until the elements are there.
type renderer struct {
	frame []byte
	pos   int
}

// value appends the next value of the frame, which lies in depth containers.
func (r *renderer) value(dst []byte, depth int) ([]byte, error) {
	h, size, err := wire.ReadHead(r.frame[r.pos:])
	if err != nil {
		return dst, err
	}
	if h.Kind == wire.Array || h.Kind == wire.Map {
		if depth == MaxDepth {
			return dst, ErrTooDeep
		}
		r.pos += size
		if h.Kind == wire.Array {
			return r.array(dst, h.N, depth+1)
		}
		return r.object(dst, h.N, depth+1)
	}
	payload, err := r.next(h, size)
	if err != nil {
		return dst, err
	}
	return appendScalar(dst, h, payload), nil
}

// next steps over a head and the payload it announces.
func (r *renderer) next(h wire.Head, size int) (payload []byte, err error) {
	rest := r.frame[r.pos+size:]
	switch h.Kind {
	case wire.Str, wire.Bin, wire.Ext:
		if h.N > uint64(len(rest)) {
			return nil, io.ErrUnexpectedEOF
		}
		payload = rest[:h.N]
	}
	r.pos += size + len(payload)
	return payload, nil
}

func (r *renderer) array(dst []byte, n uint64, depth int) ([]byte, error) {
	var err error
	dst = append(dst, '[')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = r.value(dst, depth); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func (r *renderer) object(dst []byte, n uint64, depth int) ([]byte, error) {
	var err error
	dst = append(dst, '{')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = r.key(dst, depth); err != nil {
			return dst, err
		}
		dst = append(dst, ':')
		if dst, err = r.value(dst, depth); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// key appends a map's key as a JSON string. A container as key is not
// written as JSON within a string: maps as keys of maps as keys would double
// the backslashes with each level.
func (r *renderer) key(dst []byte, depth int) ([]byte, error) {
	h, size, err := wire.ReadHead(r.frame[r.pos:])
	if err != nil {
		return dst, err
	}
	if h.Kind == wire.Array || h.Kind == wire.Map {
		s := scanner{base: depth}
		from := r.frame[r.pos:]
		if err := s.scan(from); err != nil {
			r.pos += min(s.pos, len(from))
			return dst, err
		}
		r.pos += s.pos
		dst = append(dst, `"{\"$msgpack\":\"`...)
		dst = base64.StdEncoding.AppendEncode(dst, from[:s.pos])
		return append(dst, `\"}"`...), nil
	}
	payload, err := r.next(h, size)
	if err != nil {
		return dst, err
	}
	start := len(dst)
	dst = appendScalar(dst, h, payload)
	if dst[start] == '"' {
		return dst, nil
	}
	text := len(dst)
	dst = appendString(dst, dst[start:text])
	n := copy(dst[start:], dst[text:])
	return dst[:start+n], nil
}

// appendScalar appends the JSON of a value that is not a container.
func appendScalar(dst []byte, h wire.Head, payload []byte) []byte {
	switch h.Kind {
	case wire.Nil:
		return append(dst, "null"...)
	case wire.False:
		return append(dst, "false"...)
	case wire.True:
		return append(dst, "true"...)
	case wire.Uint:
		return strconv.AppendUint(dst, h.N, 10)
	case wire.Int:
		return strconv.AppendInt(dst, int64(h.N), 10)
	case wire.Float32:
		return appendFloatText(dst, float64(math.Float32frombits(uint32(h.N))), 32)
	case wire.Float64:
		return appendFloatText(dst, math.Float64frombits(h.N), 64)
	case wire.Str:
		return appendString(dst, payload)
	case wire.Bin:
		return appendBase64Member(dst, "$bytes", payload)
	case wire.Ext:
		return appendExtText(dst, h.Ext, payload)
	}
	panic("codec: a container is no scalar")
}

// appendString appends s as a JSON string, or as {"$str":…} if it is not UTF-8.
func appendString(dst, s []byte) []byte {
	escape, ascii := inspect(s)
	if escape {
		start := len(dst)
		if out, err := jsontext.AppendQuote(dst, s); err == nil {
			return out
		}
		return appendBase64Member(dst[:start], "$str", s)
	}
	if !ascii && !utf8.Valid(s) {
		return appendBase64Member(dst, "$str", s)
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// inspect reports whether s has a byte that a JSON string must escape, and
// whether it is all ASCII; the second only if the first is false. It looks at
// eight bytes at a time: subtracting 0x20 from each (or 1, where the byte to
// be found has been made 0 by xor) borrows into the top bit of those below.
// A borrow that spills into the next byte does no harm, as it takes a hit.
func inspect(s []byte) (escape, ascii bool) {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	var high uint64
	for len(s) >= 8 {
		x := binary.LittleEndian.Uint64(s)
		quote, backslash := x^ones*'"', x^ones*'\\'
		if ((x-ones*0x20)&^x|(quote-ones)&^quote|(backslash-ones)&^backslash)&tops != 0 {
			return true, false
		}
		high |= x
		s = s[8:]
	}
	for _, c := range s {
		if c < 0x20 || c == '"' || c == '\\' {
			return true, false
		}
		high |= uint64(c)
	}
	return false, high&tops == 0
}
