package main

import (
	"context"
	"io"

	"shmbus/cmd/internal/codec"
)

const (
	feedBuffers = 3
	feedSize    = 256 << 10
)

// A source yields the messages to be published, one by one. codec.Reader is a source.
type source interface {
	// Next returns the next message, valid until the next call, or io.EOF.
	Next() ([]byte, error)
	// Number counts them from 1.
	Number() int64
}

var _, _, _ source = (*codec.Reader)(nil), (*arguments)(nil), (*whole)(nil)

// arguments yields the messages of the command line.
type arguments struct {
	messages []string
	number   int
}

func (a *arguments) Next() ([]byte, error) {
	if a.number == len(a.messages) {
		return nil, io.EOF
	}
	a.number++
	return []byte(a.messages[a.number-1]), nil
}

func (a *arguments) Number() int64 { return int64(a.number) }

// whole yields all of an input as one message.
type whole struct {
	src io.Reader
	max int // bytes

	number int64
}

func (w *whole) Next() ([]byte, error) {
	if w.number > 0 {
		return nil, io.EOF
	}
	w.number++
	all, err := io.ReadAll(io.LimitReader(w.src, int64(w.max)+1))
	switch {
	case err != nil:
		return nil, err
	case len(all) > w.max:
		return nil, codec.ErrTooLong
	}
	return all, nil
}

func (w *whole) Number() int64 { return w.number }

// feed reads a source ahead in a goroutine of its own, so that waiting for input ends with a
// context. The goroutine ends when the context has ended and its last read has returned.
type feed struct {
	ctx  context.Context
	full chan chunk
	free chan []byte

	current chunk
	rest    []byte
}

type chunk struct {
	buf []byte
	n   int
	err error
}

func newFeed(ctx context.Context, src io.Reader) *feed {
	f := &feed{ctx: ctx, full: make(chan chunk, feedBuffers), free: make(chan []byte, feedBuffers)}
	for range feedBuffers {
		f.free <- make([]byte, feedSize)
	}
	go f.run(src)
	return f
}

func (f *feed) run(src io.Reader) {
	for {
		select {
		case buf := <-f.free:
			n, err := src.Read(buf)
			f.full <- chunk{buf, n, err}
			if err != nil {
				return
			}
		case <-f.ctx.Done():
			return
		}
	}
}

// Read returns bytes that were read ahead, and waits if there are none.
func (f *feed) Read(p []byte) (int, error) {
	for len(f.rest) == 0 {
		if f.current.err != nil {
			return 0, f.current.err
		}
		if f.current.buf != nil {
			f.free <- f.current.buf
			f.current = chunk{}
		}
		select {
		case f.current = <-f.full:
		case <-f.ctx.Done():
			return 0, context.Cause(f.ctx)
		}
		f.rest = f.current.buf[:f.current.n]
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}
