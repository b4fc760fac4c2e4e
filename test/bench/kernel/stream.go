package kernel

import (
	"io"

	"golang.org/x/sys/unix"

	"shmbus/test/bench/worker"
)

// A stream carries messages of a fixed size through descriptors that know no boundaries. What was read is handed out message
// by message where it lies.
type stream struct {
	in, out  int
	buf      []byte
	size     int
	from, to int // what was read and is not handed out yet
}

func newStream(p worker.Params) *stream {
	size := p.Int("size", 48)
	return &stream{in: -1, out: -1, size: size, buf: make([]byte, max(64<<10/size, 1)*size)}
}

// use sets the descriptors, the same or two.
func (s *stream) use(p worker.Params, in, out int) error {
	s.in, s.out = in, out
	if p.String("wait", "block") != "spin" {
		return nil
	}
	for _, fd := range []int{in, out} {
		if fd >= 0 {
			if err := unix.SetNonblock(fd, true); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stream) Send(b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(s.out, b)
		if err != nil && err != unix.EINTR && err != unix.EAGAIN {
			return err
		}
		b = b[max(n, 0):]
	}
	return nil
}

func (s *stream) Recv() ([]byte, error) {
	for s.to-s.from < s.size {
		if s.from > 0 {
			s.to = copy(s.buf, s.buf[s.from:s.to])
			s.from = 0
		}
		n, err := unix.Read(s.in, s.buf[s.to:])
		switch {
		case n > 0:
			s.to += n
		case err == nil:
			return nil, io.ErrUnexpectedEOF
		case err != unix.EINTR && err != unix.EAGAIN:
			return nil, err
		}
	}
	b := s.buf[s.from : s.from+s.size]
	s.from += s.size
	return b, nil
}
