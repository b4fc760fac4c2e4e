package shmbusworker

import (
	"shmbus/bus"
	"shmbus/internal/testload"
	"shmbus/test/bench/payload"
	"shmbus/test/bench/worker"
)

// There and back are topics of one bus.
const there, back = "there", "back"

func init() {
	worker.Register("shmbus", "ping", func(p worker.Params) (worker.Runner, error) {
		e, err := open(p, false, there, back)
		return pinger{e}, err
	})
	worker.Register("shmbus", "pong", func(p worker.Params) (worker.Runner, error) {
		e, err := open(p, true, back, there)
		return ponger{e}, err
	})
}

type pinger struct{ *end }

func (p pinger) Run(n int) (worker.Report, error) {
	var m bus.Message
	buf, pub, sub, ctx := p.buf, p.pub, p.sub, p.ctx
	check := p.check
	check.Bad = 0
	samples := worker.NewSamples(n)
	start := testload.Now()
	last := start
	for i := range samples {
		payload.Stamp(buf, check.Next)
		if err := pub.PublishRaw(ctx, buf); err != nil {
			return worker.Report{}, err
		}
		if err := sub.Receive(ctx, &m); err != nil {
			return worker.Report{}, err
		}
		check.Take(m.Raw)
		now := testload.Now()
		samples[i] = worker.Sample(now - last)
		last = now
	}
	p.check = check
	return worker.Report{Start: start, Bad: check.Bad, Samples: samples}, nil
}

type ponger struct{ *end }

func (p ponger) Run(n int) (worker.Report, error) {
	var m bus.Message
	buf, pub, sub, ctx := p.buf, p.pub, p.sub, p.ctx
	check := p.check
	check.Bad = 0
	for range n {
		if err := sub.Receive(ctx, &m); err != nil {
			return worker.Report{}, err
		}
		payload.Stamp(buf, check.Next)
		check.Take(m.Raw)
		if err := pub.PublishRaw(ctx, buf); err != nil {
			return worker.Report{}, err
		}
	}
	p.check = check
	return worker.Report{Bad: check.Bad}, nil
}
