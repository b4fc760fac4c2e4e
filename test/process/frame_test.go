package process

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// A frame of the tests carries who sent it, its number, and a checksum of it all. One that is
// shorter than frameHeader repeats its own length.
//
//	0  checksum   uint32  CRC-32C of the rest
//	4  publisher  uint32
//	8  number     uint64
const frameHeader = 16

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// sizeOf returns the size of a publisher's message: mostly small, now and then up to most.
func sizeOf(id int, seq uint64, least, most int) int {
	h := mix(uint64(id)<<40 + seq + 1)
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

// fillFrame fills b with message seq of publisher id.
func fillFrame(b []byte, id int, seq uint64) {
	if len(b) < frameHeader {
		for i := range b {
			b[i] = 0xa0 | byte(len(b))
		}
		return
	}
	binary.LittleEndian.PutUint32(b[4:], uint32(id))
	binary.LittleEndian.PutUint64(b[8:], seq)
	x := mix(uint64(id)<<48 ^ seq)
	rest := b[frameHeader:]
	for ; len(rest) >= 8; rest = rest[8:] {
		x = x*6364136223846793005 + 1442695040888963407
		binary.LittleEndian.PutUint64(rest, x)
	}
	for i := range rest {
		rest[i] = byte(x >> (8 * i))
	}
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli))
}

// readFrame returns the number of a message of publisher id. ok is false for one that is too short to have a number.
func readFrame(b []byte, id int) (seq uint64, ok bool, err error) {
	if len(b) < frameHeader {
		for _, v := range b {
			if v != 0xa0|byte(len(b)) {
				return 0, false, fmt.Errorf("torn: %x", b)
			}
		}
		return 0, false, nil
	}
	if sum := crc32.Checksum(b[4:], castagnoli); sum != binary.LittleEndian.Uint32(b) {
		return 0, false, fmt.Errorf("torn: checksum of %d bytes is %08x, the frame says %x", len(b), sum, b[:frameHeader])
	}
	if got := binary.LittleEndian.Uint32(b[4:]); got != uint32(id) {
		return 0, false, fmt.Errorf("a message of publisher %d on the topic of %d", got, id)
	}
	return binary.LittleEndian.Uint64(b[8:]), true, nil
}
