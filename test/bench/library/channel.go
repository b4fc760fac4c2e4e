package library

import (
	"shmbus/test/bench/payload"
	"shmbus/test/bench/worker"
)

func init() { worker.Register("channel", "both", openChannel) }

// channel is a buffered Go channel between two goroutines of one process. It carries buffers that
// the sender copies its messages into, as a transport between processes has to. There are two more
// of them than the channel has room for: the one that is filled, and the one that the receiver
// looks at; so a buffer whose turn it is has been seen, and nothing is allocated.
type channel struct {
	c       chan []byte
	buffers [][]byte
	buf     []byte
	next    uint64
	got     payload.Checker
}

func openChannel(p worker.Params) (worker.Runner, error) {
	size, room := p.Int("size", 48), p.Int("slots", 4096)
	if err := payload.Valid(size); err != nil {
		return nil, err
	}
	c := &channel{c: make(chan []byte, room), buf: payload.New(size), got: payload.Checker{Size: size}}
	for range room + 2 {
		c.buffers = append(c.buffers, make([]byte, size))
	}
	return c, nil
}

func (c *channel) Run(n int) (worker.Report, error) {
	c.got.Bad = 0
	first := c.next
	c.next += uint64(n)
	go func() { // which may still be ending when the next run begins: it touches nothing after its last message
		for next := first; next < first+uint64(n); next++ {
			payload.Stamp(c.buf, next)
			b := c.buffers[next%uint64(len(c.buffers))]
			copy(b, c.buf)
			c.c <- b
		}
	}()
	for range n {
		c.got.Take(<-c.c)
	}
	return worker.Report{Bad: c.got.Bad}, nil
}

func (c *channel) Close() error { return nil }
