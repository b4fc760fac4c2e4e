package kernel

import (
	"io"

	"golang.org/x/sys/unix"

	"shmbus/internal/fence"
	"shmbus/test/bench/link"
	"shmbus/test/bench/worker"
)

// A stream carries messages of a fixed size through descriptors that know no boundaries. What was
// read is handed out message by message where it lies.
type stream struct {
	in, out  int
	buf      []byte
	size     int
	from, to int // what was read and is not handed out yet
	gather   int
}

// shortRead is what a read has to bring to be worth its call.
const shortRead = 8 << 10

func newStream(role string, p worker.Params) *stream {
	size := p.Int("size", 48)
	s := &stream{in: -1, out: -1, size: size, buf: make([]byte, max(64<<10/size, 1)*size)}
	if role == link.Recv {
		// A receiver that reads again at once holds the lock when the next message is to be
		// written, to find little more than one. With some 2 µs of patience after a short read,
		// pipes carry half as many messages again, sockets a third.
		s.gather = p.Int("gather", 100)
	}
	return s
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
		if n < shortRead {
			for range s.gather {
				fence.Pause()
			}
		}
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
