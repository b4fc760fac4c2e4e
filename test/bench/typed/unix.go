package typed

import (
	"encoding/binary"
	"io"

	"golang.org/x/sys/unix"

	"shmbus/internal/fence"
	"shmbus/internal/testload"
	"shmbus/test/bench/link"
	"shmbus/test/bench/worker"
)

func init() {
	worker.Register("typed-unix", link.Send, func(p worker.Params) (worker.Runner, error) { return openSocket(link.Send, p) })
	worker.Register("typed-unix", link.Recv, func(p worker.Params) (worker.Runner, error) { return openSocket(link.Recv, p) })
}

// prefix is the bytes of a message's length in front of it.
const prefix = 4

// socket is a Unix stream socket by plain system calls. The sender puts length and value into one
// buffer and writes it with one call; the receiver reads as much as there is, up to 64 KiB, pauses
// for a moment after a short read (see kernel's stream), and decodes values where they lie.
type socket struct {
	*series
	*link.Meeting
	fd       int
	sends    bool
	buf      []byte
	gather   int
	from, to int // what was read and is not decoded yet
}

func openSocket(role string, p worker.Params) (worker.Runner, error) {
	s, err := newSeries(p)
	if err != nil {
		return nil, err
	}
	m, err := link.NewMeeting("typed", unix.SOCK_STREAM, role, p)
	return &socket{series: s, Meeting: m, fd: -1, sends: role == link.Send, buf: make([]byte, 64<<10), gather: p.Int("gather", 100)}, err
}

func (s *socket) Run(n int) (rep worker.Report, err error) {
	if s.fd < 0 {
		if s.fd, err = s.Meet(); err != nil {
			return rep, err
		}
	}
	rep.Start = testload.Now()
	for range n {
		if s.sends {
			err = s.send()
		} else {
			var b []byte
			if b, err = s.recv(); err == nil && !s.take(b) {
				rep.Bad++
			}
		}
		if err != nil {
			return rep, err
		}
	}
	return rep, s.failed
}

func (s *socket) send() error {
	value, err := s.fill()
	if err != nil {
		return err
	}
	b := append(binary.LittleEndian.AppendUint32(s.buf[:0], uint32(len(value))), value...)
	for len(b) > 0 {
		n, err := unix.Write(s.fd, b)
		if err != nil && err != unix.EINTR {
			return err
		}
		b = b[max(n, 0):]
	}
	return nil
}

func (s *socket) recv() ([]byte, error) {
	if err := s.have(prefix); err != nil {
		return nil, err
	}
	size := prefix + int(binary.LittleEndian.Uint32(s.buf[s.from:]))
	if size > len(s.buf) {
		return nil, io.ErrShortBuffer
	}
	if err := s.have(size); err != nil {
		return nil, err
	}
	b := s.buf[s.from+prefix : s.from+size]
	s.from += size
	return b, nil
}

// have reads until there are n bytes.
func (s *socket) have(n int) error {
	for s.to-s.from < n {
		s.to = copy(s.buf, s.buf[s.from:s.to])
		s.from = 0
		got, err := link.Again(func() (int, error) { return unix.Read(s.fd, s.buf[s.to:]) })
		if err != nil {
			return err
		}
		if got == 0 {
			return io.ErrUnexpectedEOF
		}
		if got < 8<<10 {
			for range s.gather {
				fence.Pause()
			}
		}
		s.to += got
	}
	return nil
}

func (s *socket) Close() error { return s.Meeting.Close() }
