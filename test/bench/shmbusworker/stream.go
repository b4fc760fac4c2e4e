package shmbusworker

import (
	"shmbus/bus"
	"shmbus/test/bench/payload"
	"shmbus/test/bench/worker"
)

const topic = "bench"

func init() {
	worker.Register("shmbus", "send", func(p worker.Params) (worker.Runner, error) {
		e, err := open(p, false, topic, "")
		return sender{e}, err
	})
	worker.Register("shmbus", "recv", func(p worker.Params) (worker.Runner, error) {
		e, err := open(p, true, "", topic)
		return receiver{e}, err
	})
}

type sender struct{ *end }

func (s sender) Run(n int) (worker.Report, error) {
	buf, pub, ctx := s.buf, s.pub, s.ctx
	for i := s.sent; i < s.sent+uint64(n); i++ {
		payload.Stamp(buf, i)
		if err := pub.PublishRaw(ctx, buf); err != nil {
			return worker.Report{}, err
		}
	}
	s.sent += uint64(n)
	return worker.Report{}, nil
}

type receiver struct{ *end }

func (r receiver) Run(n int) (worker.Report, error) {
	var m bus.Message
	sub, ctx := r.sub, r.ctx
	check := r.check
	check.Bad = 0
	for range n {
		if err := sub.Receive(ctx, &m); err != nil {
			return worker.Report{}, err
		}
		check.Take(m.Raw)
	}
	r.check = check
	return worker.Report{Bad: check.Bad}, nil
}
