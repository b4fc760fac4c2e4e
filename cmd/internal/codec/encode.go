package codec

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"shmbus/internal/wire"
)

const (
	jsonSpace = " \t\r\n"
	// Objects such as {"$ext":[1,""]} nest deeper in JSON than in the frame.
	maxTextDepth = MaxDepth + 2
	// A pooled encoder keeps at most this many headers' space.
	maxKept = 1 << 16
)

// encoder makes frames of JSON. The frame is written in one pass: a
// container gets one byte for its header when it opens, since its count is
// known only when it closes. That byte does for up to 15 elements; the few
// headers that need more are widened at the end, all at once, so that no
// nesting of wide containers moves a byte more than once.
type encoder struct {
	dec     jsontext.Decoder
	src     bytes.Buffer
	options []jsontext.Options
	open    []container
	wide    []container
	numbers Numbers
	rounded func(text []byte, nearest float64)
}

// container is an array or map whose header is the byte at pos.
type container struct {
	pos    int
	values int // finished and begun ones, a map's keys included
	kind   wire.Kind
}

var encoders = sync.Pool{New: func() any {
	return &encoder{options: []jsontext.Options{jsontext.AllowDuplicateNames(true)}}
}}

func appendJSONFrame(dst, line []byte, numbers Numbers, rounded func([]byte, float64)) ([]byte, error) {
	if !fits(len(line)) {
		return dst, ErrTooLong
	}
	e := encoders.Get().(*encoder)
	e.numbers, e.rounded = numbers, rounded
	out, err := e.append(dst, line)
	e.rounded = nil
	if cap(e.wide) <= maxKept {
		encoders.Put(e)
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

func (e *encoder) append(dst, line []byte) ([]byte, error) {
	e.src = *bytes.NewBuffer(line)
	e.dec.Reset(&e.src, e.options...)
	e.open, e.wide = e.open[:0], e.wide[:0]
	end := 0
	for {
		token, err := e.dec.ReadToken()
		if err != nil {
			return nil, jsonError(line, end, err)
		}
		begin := end
		end = int(e.dec.InputOffset())
		k := token.Kind()
		if k == '}' || k == ']' {
			if dst, err = e.close(dst, end); err != nil {
				return nil, err
			}
		} else if n := len(e.open); n > 0 {
			e.open[n-1].values++
		}
		switch k {
		case 'n':
			dst = append(dst, 0xc0)
		case 'f':
			dst = append(dst, 0xc2)
		case 't':
			dst = append(dst, 0xc3)
		case '"':
			dst = appendStr(dst, trimToken(line[begin:end]))
		case '0':
			text := trimToken(line[begin:end])
			if dst, err = e.number(dst, text); err != nil {
				return nil, &SyntaxError{JSON, end - len(text), err}
			}
		case '{', '[':
			if len(e.open) == maxTextDepth {
				return nil, &SyntaxError{JSON, end - 1, ErrTooDeep}
			}
			c := container{pos: len(dst), kind: wire.Array}
			if k == '{' {
				c.kind = wire.Map
			}
			e.open = append(e.open, c)
			dst = append(dst, 0)
		}
		if len(e.open) == 0 {
			break
		}
	}
	if rest := bytes.TrimLeft(line[end:], jsonSpace); len(rest) > 0 {
		return nil, &SyntaxError{JSON, len(line) - len(rest), ErrTrailing}
	}
	return e.widen(dst), nil
}

// close finishes the innermost container, which ends at offset end of the line.
func (e *encoder) close(dst []byte, end int) ([]byte, error) {
	depth := len(e.open)
	c := e.open[depth-1]
	e.open = e.open[:depth-1]
	n := c.values
	fixed := byte(0x90)
	if c.kind == wire.Map {
		n /= 2
		fixed = 0x80
		if n == 1 {
			if out, ok := collapse(dst, c.pos); ok {
				return out, nil
			}
		}
	}
	// One level further down may be the array of an ext. If it is not, its
	// parent gets here.
	if depth == MaxDepth+1 {
		return nil, &SyntaxError{JSON, end - 1, ErrTooDeep}
	}
	if n <= 0xf {
		dst[c.pos] = fixed | byte(n)
		return dst, nil
	}
	c.values = n
	e.wide = append(e.wide, c)
	return dst, nil
}

// widen makes room for the headers that one byte is too short for.
func (e *encoder) widen(dst []byte) []byte {
	if len(e.wide) == 0 {
		return dst
	}
	extra := 0
	for _, c := range e.wide {
		extra += headWidth(c.values)
	}
	slices.SortFunc(e.wide, func(a, b container) int { return cmp.Compare(a.pos, b.pos) })
	from := len(dst)
	dst = slices.Grow(dst, extra)[:from+extra]
	for _, c := range slices.Backward(e.wide) {
		copy(dst[c.pos+1+extra:], dst[c.pos+1:from])
		from = c.pos
		extra -= headWidth(c.values)
		at := dst[c.pos+extra:]
		first := byte(0xdc)
		if c.kind == wire.Map {
			first = 0xde
		}
		if headWidth(c.values) == 2 {
			at[0] = first
			binary.BigEndian.PutUint16(at[1:], uint16(c.values))
		} else {
			at[0] = first + 1
			binary.BigEndian.PutUint32(at[1:], uint32(c.values))
		}
	}
	return dst
}

// headWidth is the size of a container's count in a header of more than one byte.
func headWidth(n int) int {
	if n <= math.MaxUint16 {
		return 2
	}
	return 4
}

// trimToken removes what the tokenizer skipped before a token.
func trimToken(b []byte) []byte {
	for i, c := range b {
		switch c {
		case ' ', '\t', '\r', '\n', ',', ':':
		default:
			return b[i:]
		}
	}
	return nil
}

// appendStr appends the frame of a JSON string literal known to be valid.
func appendStr(dst, literal []byte) []byte {
	text := literal[1 : len(literal)-1]
	if bytes.IndexByte(text, '\\') < 0 {
		return append(wire.AppendStrHead(dst, len(text)), text...)
	}
	// Unescaping only shortens: the head for the literal's length is enough.
	start := len(dst)
	dst = wire.AppendStrHead(dst, len(text))
	payload := len(dst)
	dst, _ = jsontext.AppendUnquote(dst, literal)
	n := len(dst) - payload
	at := len(wire.AppendStrHead(dst[:start], n))
	if at < payload {
		copy(dst[at:], dst[payload:])
	}
	return dst[:at+n]
}
