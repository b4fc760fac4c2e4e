package shmbusworker

import (
	"context"

	"shmbus/bus"
	"shmbus/test/bench/payload"
	"shmbus/test/bench/worker"
)

const topic = "bench"

func init() {
	worker.Register("shmbus", "send", func(p worker.Params) (worker.Runner, error) {
		e, err := open(p, false, topic, "")
		if err == nil {
			e.sent = firstOf(p.Int("index", 0))
		}
		return sender{e}, err
	})
	worker.Register("shmbus", "recv", func(p worker.Params) (worker.Runner, error) {
		e, err := open(p, p.Int("index", 0) == 0, "", topic)
		switch senders := p.Int("senders", 1); {
		case err != nil:
			return nil, err
		case e.lossy:
			return &loser{end: e}, nil
		case senders > 1:
			return newMerger(e, senders), nil
		}
		return receiver{e}, nil
	})
}

type sender struct{ *end }

func (s sender) Run(n int) (worker.Report, error) {
	if s.batch > 1 {
		return worker.Report{}, s.runBatches(n)
	}
	buf, pub, ctx := s.buf, s.pub, s.ctx
	i := s.sent
	s.sent += uint64(n)
	return worker.Report{}, publish(ctx, pub, buf, i, s.sent)
}

// publish publishes the messages from i on, below end. It has no more variables than the processor
// has registers for.
func publish(ctx context.Context, pub *bus.Publisher, buf []byte, i, end uint64) error {
	for ; i < end; i++ {
		payload.Stamp(buf, i)
		if err := pub.PublishRaw(ctx, buf); err != nil {
			return err
		}
	}
	return nil
}

func (s sender) runBatches(n int) error {
	frames := make([][]byte, s.batch)
	for i := range frames {
		frames[i] = payload.New(s.size)
	}
	for end := s.sent + uint64(n); s.sent < end; {
		k := min(s.batch, int(end-s.sent))
		for i, f := range frames[:k] {
			payload.Stamp(f, s.sent+uint64(i))
		}
		if _, err := s.pub.PublishBatch(s.ctx, frames[:k]); err != nil {
			return err
		}
		s.sent += uint64(k)
	}
	return nil
}

type receiver struct{ *end }

func (r receiver) runBatches(n int) (worker.Report, error) {
	messages := make([]bus.Message, r.batch)
	r.check.Bad = 0
	for n > 0 {
		k, err := r.sub.ReceiveBatch(r.ctx, messages[:min(r.batch, n)])
		if err != nil {
			return worker.Report{}, err
		}
		for i := range messages[:k] {
			r.check.Take(messages[i].Raw)
		}
		n -= k
	}
	return worker.Report{Bad: r.check.Bad}, nil
}

func (r receiver) Run(n int) (worker.Report, error) {
	if r.batch > 1 {
		return r.runBatches(n)
	}
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
