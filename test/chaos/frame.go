package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A frame says who published it, its number and its topic, and carries a checksum of it all.
//
//	0  checksum   uint32  CRC-32C of the rest
//	4  publisher  uint32
//	8  number     uint64  from 0
//	16 size       uint32  bytes of the frame
//	20 topic      uint32  index in topics
//	24 filler
const frameHeader = 24

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errTorn = errors.New("torn message")

// A stamp is what the header of a frame says.
type stamp struct {
	publisher uint32
	number    uint64
	topic     uint32
	size      int
}

func fillFrame(b []byte, s stamp) {
	le := binary.LittleEndian
	le.PutUint32(b[4:], s.publisher)
	le.PutUint64(b[8:], s.number)
	le.PutUint32(b[16:], uint32(len(b)))
	le.PutUint32(b[20:], s.topic)
	x := uint64(s.publisher)<<32 ^ s.number
	rest := b[frameHeader:]
	for ; len(rest) >= 8; rest = rest[8:] {
		x = x*6364136223846793005 + 1442695040888963407
		le.PutUint64(rest, x)
	}
	for i := range rest {
		rest[i] = byte(x >> (8 * i))
	}
	le.PutUint32(b, crc32.Checksum(b[4:], castagnoli))
}

// readHeader reads a frame's header without believing it.
func readHeader(b []byte) (stamp, bool) {
	if len(b) < frameHeader {
		return stamp{}, false
	}
	le := binary.LittleEndian
	return stamp{
		publisher: le.Uint32(b[4:]), number: le.Uint64(b[8:]), size: int(le.Uint32(b[16:])), topic: le.Uint32(b[20:]),
	}, true
}

// readFrame checks a whole frame. Its errors wrap errTorn.
func readFrame(b []byte) (stamp, error) {
	s, ok := readHeader(b)
	if !ok {
		return s, fmt.Errorf("%w: %d bytes: %x", errTorn, len(b), b)
	}
	if sum := crc32.Checksum(b[4:], castagnoli); sum != binary.LittleEndian.Uint32(b) {
		return s, fmt.Errorf("%w: checksum of %d bytes is %08x; the frame says %+v: %x", errTorn, len(b), sum, s, b[:frameHeader])
	}
	if s.size != len(b) || int(s.topic) >= len(topics) {
		return s, fmt.Errorf("%w: %d bytes say %+v", errTorn, len(b), s)
	}
	return s, nil
}
