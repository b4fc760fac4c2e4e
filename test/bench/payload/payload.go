// Package payload is what benchmark messages carry, so that a message that was lost, repeated,
// reordered or not copied is noticed. native/worker.h has the same in C.
//
// Message i has x = i * 0x9E3779B97F4A7C15 (mod 2^64). Word k, 64 bits little-endian at byte 8k, is
// stamped with x+k
//
//   - in the first 64 bytes: every word,
//   - behind them: the first word of each 64-byte line, and the last word of the message.
//
// All other bytes are constant: offset*131 mod 256. A size is a multiple of 8 and at least 16.
package payload

import (
	"encoding/binary"
	"fmt"
)

const (
	golden  = 0x9E3779B97F4A7C15
	inverse = 0xF1DE83E19937733D // golden * inverse = 1 (mod 2^64)
	line    = 64
	usual   = 48 // the size that most tables are about: as in C, a small size that is known takes no loop
	every   = 64 // of so many messages one is checked whole
)

// filler holds the constant bytes; they repeat every 256.
var filler = func() (f [256]byte) {
	for i := range f {
		f[i] = byte(i * 131)
	}
	return
}()

// Valid reports what is wrong with a message size.
func Valid(size int) error {
	if size < 16 || size%8 != 0 {
		return fmt.Errorf("size %d: a multiple of 8 from 16 on is needed", size)
	}
	return nil
}

// New returns a buffer to stamp, with the constant bytes in place.
func New(size int) []byte {
	b := make([]byte, size)
	for off := 0; off < size; off += copy(b[off:], filler[:]) {
	}
	return b
}

// Stamp makes b, which [New] returned, message i.
func Stamp(b []byte, i uint64) {
	x := i * golden
	if len(b) >= line {
		w := (*[line]byte)(b)
		binary.LittleEndian.PutUint64(w[0:], x)
		binary.LittleEndian.PutUint64(w[8:], x+1)
		binary.LittleEndian.PutUint64(w[16:], x+2)
		binary.LittleEndian.PutUint64(w[24:], x+3)
		binary.LittleEndian.PutUint64(w[32:], x+4)
		binary.LittleEndian.PutUint64(w[40:], x+5)
		binary.LittleEndian.PutUint64(w[48:], x+6)
		binary.LittleEndian.PutUint64(w[56:], x+7)
		if len(b) > line {
			stampLines(b, x)
		}
		return
	}
	if len(b) == usual {
		w := (*[usual]byte)(b)
		binary.LittleEndian.PutUint64(w[0:], x)
		binary.LittleEndian.PutUint64(w[8:], x+1)
		binary.LittleEndian.PutUint64(w[16:], x+2)
		binary.LittleEndian.PutUint64(w[24:], x+3)
		binary.LittleEndian.PutUint64(w[32:], x+4)
		binary.LittleEndian.PutUint64(w[40:], x+5)
		return
	}
	for ; len(b) >= 16; b = b[16:] {
		binary.LittleEndian.PutUint64(b, x)
		binary.LittleEndian.PutUint64(b[8:], x+1)
		x += 2
	}
	if len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, x)
	}
}

func stampLines(b []byte, x uint64) {
	last := uint64(len(b)/8 - 1)
	binary.LittleEndian.PutUint64(b[len(b)-8:], x+last)
	x += line / 8
	for b = b[line:]; len(b) >= 8; b = b[line:] {
		binary.LittleEndian.PutUint64(b, x)
		x += line / 8
		if len(b) < line {
			break
		}
	}
}

// Number returns which message b says it is, from its first word.
func Number(b []byte) uint64 { return binary.LittleEndian.Uint64(b) * inverse }

// Check reports whether b is message i: by its stamped words, and every 64th message by all bytes.
func Check(b []byte, i uint64) bool {
	if i%every == 0 {
		return CheckAll(b, i)
	}
	x := i * golden
	var wrong uint64
	if len(b) >= line {
		w := (*[line]byte)(b)
		wrong = (binary.LittleEndian.Uint64(w[0:]) ^ x) |
			(binary.LittleEndian.Uint64(w[8:]) ^ (x + 1)) |
			(binary.LittleEndian.Uint64(w[16:]) ^ (x + 2)) |
			(binary.LittleEndian.Uint64(w[24:]) ^ (x + 3)) |
			(binary.LittleEndian.Uint64(w[32:]) ^ (x + 4)) |
			(binary.LittleEndian.Uint64(w[40:]) ^ (x + 5)) |
			(binary.LittleEndian.Uint64(w[48:]) ^ (x + 6)) |
			(binary.LittleEndian.Uint64(w[56:]) ^ (x + 7))
		if len(b) > line {
			wrong |= checkLines(b, x)
		}
		return wrong == 0
	}
	if len(b) == usual {
		w := (*[usual]byte)(b)
		wrong = (binary.LittleEndian.Uint64(w[0:]) ^ x) |
			(binary.LittleEndian.Uint64(w[8:]) ^ (x + 1)) |
			(binary.LittleEndian.Uint64(w[16:]) ^ (x + 2)) |
			(binary.LittleEndian.Uint64(w[24:]) ^ (x + 3)) |
			(binary.LittleEndian.Uint64(w[32:]) ^ (x + 4)) |
			(binary.LittleEndian.Uint64(w[40:]) ^ (x + 5))
		return wrong == 0
	}
	for ; len(b) >= 16; b = b[16:] {
		wrong |= (binary.LittleEndian.Uint64(b) ^ x) | (binary.LittleEndian.Uint64(b[8:]) ^ (x + 1))
		x += 2
	}
	if len(b) >= 8 {
		wrong |= binary.LittleEndian.Uint64(b) ^ x
	}
	return wrong == 0
}

func checkLines(b []byte, x uint64) uint64 {
	last := uint64(len(b)/8 - 1)
	wrong := binary.LittleEndian.Uint64(b[len(b)-8:]) ^ (x + last)
	x += line / 8
	for b = b[line:]; len(b) >= 8; b = b[line:] {
		wrong |= binary.LittleEndian.Uint64(b) ^ x
		x += line / 8
		if len(b) < line {
			break
		}
	}
	return wrong
}

// CheckAll reports whether b is message i, by all of its bytes.
func CheckAll(b []byte, i uint64) bool {
	if Valid(len(b)) != nil {
		return false
	}
	x := i * golden
	last := len(b)/8 - 1
	var wrong uint64
	for k := range len(b) / 8 {
		want := x + uint64(k)
		if k >= line/8 && k%(line/8) != 0 && k != last {
			want = binary.LittleEndian.Uint64(filler[8*k%256:])
		}
		wrong |= binary.LittleEndian.Uint64(b[8*k:]) ^ want
	}
	return wrong == 0
}

// A Checker follows a stream of messages of one size that must come whole and in order.
type Checker struct {
	Size int
	Next uint64 // the number expected next
	Bad  uint64 // messages that were not what was expected
}

// Take checks the next message.
func (c *Checker) Take(b []byte) {
	if len(b) != c.Size || !Check(b, c.Next) {
		c.Bad++
	}
	c.Next++
}
