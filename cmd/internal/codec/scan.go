package codec

import (
	"io"
	"math"
	"sync"

	"shmbus/internal/wire"
)

var scanners = sync.Pool{New: func() any { return new(scanner) }}

// Valid reports, as nil, that frame is exactly one well-formed msgpack object
// nested no deeper than [MaxDepth], and otherwise what is wrong and where, as
// a *[SyntaxError]. That a str is UTF-8 is not asked.
func Valid(frame []byte) error {
	s := scanners.Get().(*scanner)
	defer scanners.Put(s)
	s.reset()
	if err := s.scan(frame); err != nil {
		if err == io.ErrUnexpectedEOF {
			return truncated(frame)
		}
		return frameError(s.pos, err)
	}
	if s.pos < len(frame) {
		return frameError(s.pos, ErrTrailing)
	}
	return nil
}

func truncated(frame []byte) error { return frameError(len(frame), io.ErrUnexpectedEOF) }

// scanner finds the end of one msgpack object in bytes that arrive bit by
// bit: it goes on from where the bytes ran out, so that an object costs its
// length once, however many pieces it comes in.
type scanner struct {
	// pos is how far the object has been understood. It may lie beyond the
	// bytes seen: a payload is stepped over as a whole.
	pos int
	// open has the count of missing elements of each unfinished container.
	open []uint64
	// base is how many containers there are around the object.
	base  int
	whole bool
}

// reset prepares s for the next object.
func (s *scanner) reset() { *s = scanner{open: s.open[:0]} }

// scan reads on in b, which begins with the object's first byte. It returns
// nil if the object is whole and ends at s.pos, io.ErrUnexpectedEOF if scan
// is to be called again with a longer b.
func (s *scanner) scan(b []byte) error {
	for !s.whole {
		if s.pos >= len(b) {
			return io.ErrUnexpectedEOF
		}
		h, size, err := wire.ReadHead(b[s.pos:])
		if err != nil {
			return err
		}
		var elements uint64
		switch h.Kind {
		case wire.Str, wire.Bin, wire.Ext:
			if h.N > uint64(math.MaxInt-s.pos-size) {
				return ErrTooLong
			}
			size += int(h.N)
		case wire.Array:
			elements = h.N
		case wire.Map:
			elements = 2 * h.N
		}
		if h.Kind == wire.Array || h.Kind == wire.Map {
			if s.base+len(s.open) == MaxDepth {
				return ErrTooDeep
			}
		}
		s.pos += size
		if elements > 0 {
			s.open = append(s.open, elements)
			continue
		}
		s.value()
	}
	if s.pos > len(b) {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// value counts a finished value in the containers it may finish in turn.
func (s *scanner) value() {
	for i := len(s.open) - 1; i >= 0; i-- {
		s.open[i]--
		if s.open[i] > 0 {
			return
		}
		s.open = s.open[:i]
	}
	s.whole = true
}
