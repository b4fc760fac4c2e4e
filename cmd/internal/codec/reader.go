package codec

import (
	"bytes"
	"io"
)

const (
	readerBuffer = 256 << 10
	// maxEmptyReads is how often in a row a source may return nothing.
	maxEmptyReads = 100
)

// Reader splits a stream into the items of a format: lines, or for Msgpack
// the objects that follow one another. It returns an item as soon as the
// source has delivered all of it, and never asks for more than it needs to
// see the item's end. Its buffer begins at 256 KiB and grows with the data
// received, not with what the data announces.
type Reader struct {
	src    io.Reader
	format Format
	max    int

	buf    []byte
	r, w   int   // buf[r:w] is read but not returned
	srcErr error // the source's last word
	err    error // what Next returns from now on

	number     int64
	terminated bool
	scan       scanner
}

// NewReader returns a Reader of items up to maxLen bytes, not counting a
// line's newline; 0 means [DefaultMax].
func NewReader(src io.Reader, f Format, maxLen int) *Reader {
	if maxLen <= 0 {
		maxLen = DefaultMax
	}
	return &Reader{src: src, format: f, max: maxLen, buf: make([]byte, readerBuffer)}
}

// Next returns the next line, without its newline, or the next msgpack
// object. It is valid until the next call. A carriage return before the
// newline belongs to the line; in JSON it is white space.
//
// The error is io.EOF at the end and otherwise the source's, which are final.
// After [ErrTooLong] for a line, the next call returns the line after it.
// In a Msgpack stream, where nothing marks the next object, ErrTooLong is
// final, and so is a *[SyntaxError], whose offset is that within the object.
func (r *Reader) Next() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.format == Msgpack {
		return r.object()
	}
	return r.line()
}

// Number returns the number of the item that Next returned or failed at,
// counted from 1.
func (r *Reader) Number() int64 { return r.number }

// Terminated reports whether the line Next returned ended with a newline. It
// is false only for a last line without one.
func (r *Reader) Terminated() bool { return r.terminated }

func (r *Reader) line() ([]byte, error) {
	searched := 0
	tooLong := false
	for {
		if i := bytes.IndexByte(r.buf[r.r+searched:r.w], '\n'); i >= 0 {
			end := r.r + searched + i
			return r.finishLine(end, end+1, tooLong)
		}
		searched = r.w - r.r
		if searched > r.max {
			tooLong = true
			r.r, r.w, searched = 0, 0, 0
		}
		if r.srcErr != nil {
			r.err = r.srcErr
			if r.err == io.EOF && (searched > 0 || tooLong) {
				return r.finishLine(r.w, r.w, tooLong)
			}
			return nil, r.err
		}
		r.fill()
	}
}

// finishLine returns the line that goes to end, and goes on at next.
func (r *Reader) finishLine(end, next int, tooLong bool) ([]byte, error) {
	line := r.buf[r.r:end]
	r.terminated = next > end
	r.r = next
	r.number++
	if tooLong || len(line) > r.max {
		return nil, ErrTooLong
	}
	return line, nil
}

func (r *Reader) object() ([]byte, error) {
	r.scan.reset()
	for {
		err := r.scan.scan(r.buf[r.r:r.w])
		if r.scan.pos > r.max {
			return nil, r.fail(ErrTooLong)
		}
		if err == nil {
			object := r.buf[r.r : r.r+r.scan.pos]
			r.r += len(object)
			r.number++
			r.terminated = true
			return object, nil
		}
		if err != io.ErrUnexpectedEOF {
			return nil, r.fail(frameError(r.scan.pos, err))
		}
		if r.srcErr != nil {
			if r.srcErr == io.EOF && r.w > r.r {
				return nil, r.fail(frameError(r.w-r.r, err))
			}
			r.err = r.srcErr
			return nil, r.err
		}
		r.fill()
	}
}

func (r *Reader) fail(err error) error {
	r.number++
	r.err = err
	return err
}

// fill reads once from the source, with anything it has to say in r.srcErr.
func (r *Reader) fill() {
	if r.r == r.w {
		r.r, r.w = 0, 0
	}
	if r.w == len(r.buf) || r.r > len(r.buf)/2 {
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	}
	if r.w == len(r.buf) {
		grown := make([]byte, 2*len(r.buf))
		copy(grown, r.buf)
		r.buf = grown
	}
	for range maxEmptyReads {
		n, err := r.src.Read(r.buf[r.w:])
		if n < 0 || n > len(r.buf)-r.w {
			n, err = 0, io.ErrNoProgress
		}
		r.w += n
		if err != nil {
			r.srcErr = err
		}
		if n > 0 || err != nil {
			return
		}
	}
	r.srcErr = io.ErrNoProgress
}
