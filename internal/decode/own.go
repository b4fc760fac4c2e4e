package decode

import (
	"bytes"
	"io"

	"github.com/vmihailenco/msgpack/v5"

	"shmbus/internal/wire"
)

// own calls f with the msgpack package's decoder of b, which begins with the next value and is
// checked, and goes on behind what f has read.
func (d *decoder) own(b []byte, f func(*msgpack.Decoder) error) error {
	d.source.reset(b)
	dec := msgpack.GetDecoder()
	dec.ResetDict(&d.source, d.dict)
	dec.SetCustomStructTag("json")
	err := f(dec)
	msgpack.PutDecoder(dec)
	d.pos += d.source.pos()
	return err
}

// source is what a type's own decoder reads.
//
// A check of the frame passes over what is in an ext, which may be anything. But some read the
// inside of an ext as msgpack, too, and the msgpack package does so wherever a map is to be read
// and an ext is found. Then the inside is checked when its first byte is read by itself: who wants
// an ext's bytes reads them all at once.
type source struct {
	bytes.Reader
	b    []byte
	exts []ext // not yet begun, in their order
	end  int   // of an index that looks like the head of a map; 0 if none was read
}

type ext struct {
	start, end int // of the payload
	typ        int8
	within     int // so many exts
}

// maxWithin is how many exts, one in another, are read as msgpack. Each is checked by itself and
// may be MaxDepth deep.
const maxWithin = 10

var _ interface {
	io.Reader
	io.ByteScanner
} = (*source)(nil)

func (s *source) reset(b []byte) {
	s.Reset(b)
	s.b = b
	s.exts = appendExts(s.exts[:0], b, 0)
	s.end = 0
}

func (s *source) pos() int { return len(s.b) - s.Len() }

// ReadByte implements io.ByteReader.
func (s *source) ReadByte() (byte, error) {
	pos := s.pos()
	for len(s.exts) > 0 && s.exts[0].start <= pos {
		e := s.exts[0]
		s.exts = s.exts[1:]
		if e.start < pos {
			continue
		}
		if err := s.enter(e); err != nil {
			return 0, err
		}
	}
	return s.Reader.ReadByte()
}

// Read implements io.Reader. What follows an index is a value, whose first byte is read by itself:
// who reads more at once has taken the index for the head of a map and wants to know how many
// elements follow.
func (s *source) Read(p []byte) (int, error) {
	if s.end > 0 && s.pos() == s.end {
		return 0, io.ErrUnexpectedEOF
	}
	return s.Reader.Read(p)
}

// enter checks the inside of an ext that is going to be read.
func (s *source) enter(e ext) error {
	inside := s.b[e.start:e.end]
	// An index, which is no msgpack; longer ones are read at once.
	if e.typ == extInterned && len(inside) == 1 {
		if c := inside[0]; c == 0xde || c == 0xdf {
			s.end = e.end
		}
		return nil
	}
	if e.within == maxWithin {
		return wire.ErrTooDeep
	}
	if _, err := wire.CheckAll(inside); err != nil {
		return err
	}
	nested := appendExts(nil, inside, e.start)
	for i := range nested {
		nested[i].within = e.within + 1
	}
	s.exts = append(nested, s.exts...)
	return nil
}

// appendExts appends the exts of b, well-formed values that lie at base, but for those that are
// empty.
func appendExts(exts []ext, b []byte, base int) []ext {
	for pos := 0; pos < len(b); {
		h, size, err := wire.ReadHead(b[pos:])
		if err != nil {
			return exts // somebody writes to it
		}
		pos += size
		switch h.Kind {
		case wire.Str, wire.Bin, wire.Ext:
			end := pos + int(min(h.N, uint64(len(b)-pos)))
			if h.Kind == wire.Ext && end > pos {
				exts = append(exts, ext{start: base + pos, end: base + end, typ: h.Ext})
			}
			pos = end
		}
	}
	return exts
}
