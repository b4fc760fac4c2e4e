package cli

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"syscall"

	"shmbus/internal/linux"
)

// stdio is a standard stream. Another process that shares its open file description may make it
// non-blocking at any moment. Then a stdio waits and does not fail with EAGAIN.
type stdio struct{ *os.File }

func (s stdio) Read(p []byte) (int, error) {
	for {
		n, err := s.File.Read(p)
		if n > 0 || !errors.Is(err, syscall.EAGAIN) {
			return n, err
		}
		if err := linux.AwaitRead(s.File); err != nil {
			return 0, err
		}
	}
}

func (s stdio) Write(p []byte) (int, error) {
	written := 0
	for {
		n, err := s.File.Write(p[written:])
		written += n
		if !errors.Is(err, syscall.EAGAIN) {
			return written, err
		}
		if err := linux.AwaitWrite(s.File); err != nil {
			return written, err
		}
	}
}

// WriteString keeps io.WriteString from calling the file's own method.
func (s stdio) WriteString(text string) (int, error) { return s.Write([]byte(text)) }

// ReadFrom and WriteTo keep io.Copy from calling the file's own methods.
func (s stdio) ReadFrom(r io.Reader) (int64, error) { return io.Copy(writerOnly{s}, r) }
func (s stdio) WriteTo(w io.Writer) (int64, error)  { return io.Copy(w, readerOnly{s}) }

type writerOnly struct{ io.Writer }
type readerOnly struct{ io.Reader }

// AsFile returns w as an open file, if it is one, such as a standard stream.
func AsFile(w any) (f *os.File, ok bool) {
	switch w := w.(type) {
	case *os.File:
		return w, true
	case stdio:
		return w.File, true
	case *checkedWriter:
		return AsFile(w.w)
	}
	return nil, false
}

// A checkedWriter remembers the first write error. A goroutine may still write when the command
// ends.
type checkedWriter struct {
	w   io.Writer
	err atomic.Pointer[error]
}

func (c *checkedWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if err != nil {
		c.err.CompareAndSwap(nil, &err)
	}
	return n, err
}

func (c *checkedWriter) failure() error {
	if err := c.err.Load(); err != nil {
		return *err
	}
	return nil
}
