package library

import (
	"fmt"

	"github.com/nats-io/nats.go"

	"shmbus/internal/testload"
	"shmbus/test/bench/link"
	"shmbus/test/bench/payload"
	"shmbus/test/bench/worker"
)

func init() {
	worker.Register("nats", "server", BecomeServer)
	for _, role := range []string{link.Send, link.Recv, link.Ping, link.Pong} {
		worker.Register("nats", role, func(p worker.Params) (worker.Runner, error) {
			size := p.Int("size", 48)
			if err := payload.Valid(size); err != nil {
				return nil, err
			}
			var next uint64
			buf, got := payload.New(size), payload.Checker{Size: size}
			fill := func() ([]byte, error) {
				payload.Stamp(buf, next)
				next++
				return buf, nil
			}
			take := func(b []byte) bool {
				bad := got.Bad
				got.Take(b)
				return got.Bad == bad
			}
			return OpenNATS(role, p, fill, take)
		})
	}
}

// natsClient is any of the four roles. Publishing fills the client's buffer, which its flusher
// writes out when it gets to it or the buffer is full; a run of the sender ends with Flush, when
// the server has everything. Messages are received by an asynchronous subscription, the client's
// fastest way, and handled in its goroutine. Pending limits are off, so that the client holds what
// is not handled yet instead of dropping it. Larger write buffers and a server that does not stall
// fast producers make no difference here.
type natsClient struct {
	*nats.Conn
	role string
	fill func() ([]byte, error)
	take func([]byte) bool
	runs chan *natsRun
	run  *natsRun // that the subscription's goroutine is at
}

// natsRun is a run as the subscription's goroutine sees it.
type natsRun struct {
	left    int
	bad     uint64
	samples []uint32
	last    int64
	err     error
	done    chan struct{}
}

// OpenNATS returns a role of messages that fill makes, and take checks.
func OpenNATS(role string, p worker.Params, fill func() ([]byte, error), take func([]byte) bool) (worker.Runner, error) {
	url, err := link.Fetch(natsAddress(p))
	if err != nil {
		return nil, fmt.Errorf("there is no server: %w", err)
	}
	conn, err := nats.Connect(url, nats.NoReconnect(), nats.SkipSubjectValidation())
	if err != nil {
		return nil, err
	}
	c := &natsClient{Conn: conn, role: role, fill: fill, take: take, runs: make(chan *natsRun, 1)}
	switch role {
	case link.Recv, link.Pong:
		err = c.subscribe("there")
	case link.Ping:
		err = c.subscribe("back")
	}
	return c, err
}

// subscribe returns when the server knows of the subscription.
func (c *natsClient) subscribe(subject string) error {
	sub, err := c.Subscribe(subject, c.handle)
	if err != nil {
		return err
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return err
	}
	return c.Flush()
}

func (c *natsClient) publish(subject string) error {
	b, err := c.fill()
	if err != nil {
		return err
	}
	return c.Publish(subject, b)
}

// handle is called with each message, in order.
func (c *natsClient) handle(m *nats.Msg) {
	if c.run == nil {
		c.run = <-c.runs
	}
	r := c.run
	if !c.take(m.Data) {
		r.bad++
	}
	r.left--
	switch c.role {
	case link.Pong:
		r.err = c.publish("back")
	case link.Ping:
		now := testload.Now()
		r.samples[len(r.samples)-r.left-1] = worker.Sample(now - r.last)
		r.last = now
		if r.left > 0 {
			r.err = c.publish("there")
		}
	}
	if r.left == 0 || r.err != nil {
		c.run = nil
		close(r.done)
	}
}

func (c *natsClient) Run(n int) (worker.Report, error) {
	if c.role == link.Send {
		return worker.Report{}, c.send(n)
	}
	r := &natsRun{left: n, done: make(chan struct{})}
	if c.role == link.Ping {
		r.samples = worker.NewSamples(n)
	}
	rep := worker.Report{Start: testload.Now(), Samples: r.samples}
	r.last = rep.Start
	c.runs <- r
	if c.role == link.Ping {
		if err := c.publish("there"); err != nil {
			return rep, err
		}
	}
	<-r.done
	rep.Bad = r.bad
	return rep, r.err
}

func (c *natsClient) send(n int) error {
	for range n {
		if err := c.publish("there"); err != nil {
			return err
		}
	}
	return c.Flush()
}

func (c *natsClient) Close() error {
	c.Conn.Close()
	return nil
}
