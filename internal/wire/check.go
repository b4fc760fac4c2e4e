package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// MaxDepth is how many arrays and maps may contain one another in a frame.
// Reading and writing recurse or keep a stack, and so do most consumers.
const MaxDepth = 1000

var (
	// ErrTooDeep reports nesting beyond [MaxDepth].
	ErrTooDeep = fmt.Errorf("nested deeper than %d levels", MaxDepth)
	// ErrTrailing reports bytes after the first whole value.
	ErrTrailing = errors.New("unexpected data after the value")
	// ErrInvalidByte reports 0xc1, the one byte msgpack gives no meaning.
	ErrInvalidByte = errors.New("byte 0xc1 is not msgpack")
)

// step says how to pass over the value that begins with a byte.
type step struct {
	size      uint8 // of the head, with the payload where the byte says its length
	elements  uint8 // that follow, a map's keys included
	container uint8 // 1 for an array or a map
	length    uint8 // bytes of the length or the count that follows, if any, or noStep
}

const noStep = 0xff

var steps = func() (t [256]step) {
	for c := range t {
		s := &t[c]
		s.size = 1
		switch h, size, err := ReadHead([]byte{byte(c), 0, 0, 0, 0, 0, 0, 0, 0}); {
		case err != nil: // 0xc1
			s.length = noStep
		case c >= 0xc4 && c <= 0xc9, c >= 0xd9 && c <= 0xdf: // a length follows
			s.size, s.length = uint8(size), uint8(size-1)
			if h.Kind == Ext {
				s.length--
			}
			if h.Kind == Map || h.Kind == Array {
				s.container, s.elements = 1, 1
			}
			if h.Kind == Map {
				s.elements = 2
			}
		case h.Kind == Array:
			s.container, s.elements = 1, uint8(h.N)
		case h.Kind == Map:
			s.container, s.elements = 1, uint8(2*h.N)
		case h.Kind == Str || h.Kind == Ext:
			s.size = uint8(size) + uint8(h.N)
		default:
			s.size = uint8(size)
		}
	}
	return t
}()

// Check reports whether b is one whole msgpack value that announces no more than b holds and is
// nested no deeper than [MaxDepth]. If not, it returns how many bytes precede the fault, and what
// that is. A decoder of a checked frame may trust its counts: all that are open at one time
// announce together no more elements than there are bytes left.
func Check(b []byte) (offset int, err error) {
	end, err := Pass(b, 0, 0)
	if err == nil && end < len(b) {
		err = ErrTrailing
	}
	return end, err
}

// CheckAll is [Check] for any number of values that follow one another.
func CheckAll(b []byte) (offset int, err error) {
	for offset < len(b) && err == nil {
		offset, err = Pass(b, offset, 0)
	}
	return offset, err
}

// Pass returns where the value ends that begins at b[pos] and lies in depth containers; b may go on
// behind it. Its errors are those of [Check].
//
// One number stands for all open containers: how many values are missing in all of them. Only
// nesting needs more than that, and only where there are so many containers that they could be
// nested too deep.
func Pass(b []byte, pos, depth int) (end int, err error) {
	if pos >= len(b) {
		return len(b), io.ErrUnexpectedEOF
	}
	start := pos
	missing, containers := 1, 0
	for missing > 0 { // and no more than the bytes left
		// The common values first, in branches: a processor that guesses them need not wait for the
		// byte to know where the next one is.
		c := b[pos]
		s := steps[c]
		switch {
		case c >= 0xa0 && c < 0xc0:
			pos += int(c) - 0xa0 + 1
			missing--
		case c < 0x80:
			pos++
			missing--
		case c == 0xcb || c == 0xcf || c == 0xd3: // 64 bits
			pos += 9
			missing--
		case s.length == 0:
			pos += int(s.size)
			missing += int(s.elements) - 1
			containers += int(s.container)
		case s.length == noStep:
			return pos, ErrInvalidByte
		case len(b)-pos < int(s.size):
			return len(b), io.ErrUnexpectedEOF
		default:
			n := length(b[pos+1:], s.length)
			pos += int(s.size)
			if s.container == 1 {
				missing += n*int(s.elements) - 1
				containers++
			} else {
				pos += n
				missing--
			}
		}
		if missing > len(b)-pos {
			return len(b), io.ErrUnexpectedEOF
		}
	}
	if containers > MaxDepth-depth {
		if deep, ok := tooDeep(b, start, depth); ok {
			return deep, ErrTooDeep
		}
	}
	return pos, nil
}

// length reads a length of so many bytes: 1, 2 or 4.
func length(b []byte, width uint8) int {
	switch width {
	case 1:
		return int(b[0])
	case 2:
		return int(binary.BigEndian.Uint16(b))
	}
	return int(binary.BigEndian.Uint32(b))
}

// tooDeep returns where the first container begins that is nested too deep in the whole value at
// b[pos], itself in base containers.
func tooDeep(b []byte, pos, base int) (int, bool) {
	var open [MaxDepth]int // missing values of each open container
	depth := 0
	for {
		if pos >= len(b) { // it was whole a moment ago: somebody writes to it
			return len(b), true
		}
		h, size, _ := ReadHead(b[pos:])
		at := pos
		pos += size
		elements := 0
		switch h.Kind {
		case Str, Bin, Ext:
			pos += int(h.N)
		case Array:
			elements = int(h.N)
		case Map:
			elements = 2 * int(h.N)
		}
		if h.Kind == Array || h.Kind == Map {
			if base+depth >= MaxDepth {
				return at, true
			}
			if elements > 0 {
				open[depth] = elements
				depth++
				continue
			}
		}
		for depth > 0 {
			open[depth-1]--
			if open[depth-1] > 0 {
				break
			}
			depth--
		}
		if depth == 0 {
			return 0, false
		}
	}
}
