package testload

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A frame of the tests carries who sent it, its number, and a checksum of it all and of its size.
// A frame shorter than HeaderSize repeats its own size in every byte.
//
//	0   checksum  uint32  CRC-32C of the rest, begun with the frame's size
//	4   sender    uint32
//	8   number    48 bits
//	14  tag       uint16  as the test likes: the topic that it is sent on
//	16  filler, which follows from sender and number
const HeaderSize = 16

// MaxNumber bounds the numbers of frames.
const MaxNumber = 1<<48 - 1

// ErrTorn is wrapped by errors about a frame that is not as it was filled.
var ErrTorn = errors.New("torn message")

// A Stamp is what the header of a frame says.
type Stamp struct {
	Sender uint32
	Number uint64
	Tag    uint16
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Update(uint32(len(b)), castagnoli, b[4:]) }

// Fill makes b a frame.
func Fill(b []byte, s Stamp) {
	if len(b) < HeaderSize {
		for i := range b {
			b[i] = 0xa0 | byte(len(b))
		}
		return
	}
	binary.LittleEndian.PutUint32(b[4:], s.Sender)
	binary.LittleEndian.PutUint64(b[8:], s.Number&MaxNumber|uint64(s.Tag)<<48)
	x := Mix(uint64(s.Sender)<<48 ^ s.Number)
	rest := b[HeaderSize:]
	for ; len(rest) >= 8; rest = rest[8:] {
		x = x*6364136223846793005 + 1442695040888963407
		binary.LittleEndian.PutUint64(rest, x)
	}
	for i := range rest {
		rest[i] = byte(x >> (8 * i))
	}
	binary.LittleEndian.PutUint32(b, checksum(b))
}

// Peek returns what a header says, without believing it: that of a frame of which not all is there.
func Peek(b []byte) (s Stamp, ok bool) {
	if len(b) < HeaderSize {
		return s, false
	}
	w := binary.LittleEndian.Uint64(b[8:])
	s.Sender = binary.LittleEndian.Uint32(b[4:])
	s.Number, s.Tag = w&MaxNumber, uint16(w>>48)
	return s, true
}

// Read checks a frame that is not short.
func Read(b []byte) (Stamp, error) {
	s, ok := Peek(b)
	if !ok {
		return s, fmt.Errorf("%w: %d bytes: %x", ErrTorn, len(b), b)
	}
	if sum := checksum(b); sum != binary.LittleEndian.Uint32(b) {
		return s, fmt.Errorf("%w: the checksum of %d bytes is %08x, the header says %+v: %x",
			ErrTorn, len(b), sum, s, b[:HeaderSize])
	}
	return s, nil
}

// Number checks a frame of a sender. A short one has no number, and numbered is false.
func Number(b []byte, sender uint32) (n uint64, numbered bool, err error) {
	if len(b) < HeaderSize {
		for _, v := range b {
			if v != 0xa0|byte(len(b)) {
				return 0, false, fmt.Errorf("%w: %x", ErrTorn, b)
			}
		}
		return 0, false, nil
	}
	s, err := Read(b)
	if err == nil && s.Sender != sender {
		err = fmt.Errorf("a message of sender %d where one of %d was expected", s.Sender, sender)
	}
	return s.Number, true, err
}

// Size returns the size of a sender's message: mostly small, now and then up to most.
func Size(sender uint32, number uint64, least, most int) int {
	h := Mix(uint64(sender)<<40 + number + 1)
	limit := 200
	switch h % 16 {
	case 0:
		limit = most
	case 1, 2:
		limit = most / 16
	case 3, 4, 5, 6:
		limit = most / 256
	}
	limit = min(max(limit, least), most)
	return least + int((h>>8)%uint64(limit-least+1))
}

// Mix spreads the bits of a number over all 64.
func Mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
