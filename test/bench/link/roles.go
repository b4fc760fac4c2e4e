package link

import (
	"shmbus/internal/testload"
	"shmbus/test/bench/payload"
	"shmbus/test/bench/worker"
)

// end is what the four roles have in common.
type end struct {
	link      Link
	connected bool
	buf       []byte // the message that is sent
	next      uint64 // number of the message sent next
	got       payload.Checker
}

func newEnd(p worker.Params) (*end, error) {
	size := p.Int("size", 48)
	if err := payload.Valid(size); err != nil {
		return nil, err
	}
	return &end{buf: payload.New(size), got: payload.Checker{Size: size}}, nil
}

// begin makes sure that there is another end, and starts the clock.
func (e *end) begin() (worker.Report, error) {
	if c, ok := e.link.(Connecter); ok && !e.connected {
		if err := c.Connect(); err != nil {
			return worker.Report{}, err
		}
	}
	e.connected = true
	e.got.Bad = 0
	return worker.Report{Start: testload.Now()}, nil
}

func (e *end) send() error {
	payload.Stamp(e.buf, e.next)
	e.next++
	return e.link.Send(e.buf)
}

func (e *end) recv() error {
	b, err := e.link.Recv()
	if err == nil {
		e.got.Take(b)
	}
	return err
}

func (e *end) flush() error {
	if f, ok := e.link.(Flusher); ok {
		return f.Flush()
	}
	return nil
}

func (e *end) Close() error { return e.link.Close() }

type sender struct{ *end }

func (s *sender) Run(n int) (worker.Report, error) {
	rep, err := s.begin()
	for i := 0; i < n && err == nil; i++ {
		err = s.send()
	}
	if err == nil {
		err = s.flush()
	}
	return rep, err
}

type receiver struct{ *end }

func (r *receiver) Run(n int) (worker.Report, error) {
	rep, err := r.begin()
	for i := 0; i < n && err == nil; i++ {
		err = r.recv()
	}
	rep.Bad = r.got.Bad
	return rep, err
}

// pinger times round trips by one reading of the clock each.
type pinger struct{ *end }

func (p *pinger) Run(n int) (worker.Report, error) {
	samples := worker.NewSamples(n)
	rep, err := p.begin()
	last := rep.Start
	for i := 0; i < n && err == nil; i++ {
		if err = p.send(); err == nil {
			err = p.recv()
		}
		now := testload.Now()
		samples[i] = worker.Sample(now - last)
		last = now
	}
	rep.End, rep.Bad, rep.Samples = last, p.got.Bad, samples
	return rep, err
}

type ponger struct{ *end }

func (p *ponger) Run(n int) (worker.Report, error) {
	rep, err := p.begin()
	for i := 0; i < n && err == nil; i++ {
		if err = p.recv(); err == nil {
			err = p.send()
		}
	}
	rep.Bad = p.got.Bad
	return rep, err
}
