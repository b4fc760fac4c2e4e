package shmbusworker

import (
	"strconv"
	"time"

	"shmbus/bus"
	"shmbus/internal/testload"
	"shmbus/test/bench/payload"
	"shmbus/test/bench/worker"
)

// Tick publishes a message and leaves its subscriber time to fall asleep; wake notes when each one
// arrives. Their samples are the low 32 bits of moments, of before the publish and of after the
// return: the difference, modulo 2^32, is how long it took.
func init() {
	worker.Register("shmbus", "tick", func(p worker.Params) (worker.Runner, error) {
		e, err := open(p, false, topic, "")
		return ticker{e, time.Duration(p.Int("gap", 300)) * time.Microsecond}, err
	})
	worker.Register("shmbus", "wake", func(p worker.Params) (worker.Runner, error) {
		e, err := open(p, true, "", topic)
		return woken{e}, err
	})
}

type ticker struct {
	*end
	gap time.Duration
}

func (t ticker) Run(n int) (worker.Report, error) {
	samples := worker.NewSamples(n)
	start := testload.Now()
	next := start + int64(t.gap)
	for i := range samples {
		for testload.Now() < next {
		}
		payload.Stamp(t.buf, t.sent)
		t.sent++
		now := testload.Now()
		samples[i] = uint32(now)
		if err := t.pub.PublishRaw(t.ctx, t.buf); err != nil {
			return worker.Report{}, err
		}
		next = testload.Now() + int64(t.gap)
	}
	return worker.Report{Start: start, Samples: samples}, nil
}

type woken struct{ *end }

func (w woken) Run(n int) (worker.Report, error) {
	var m bus.Message
	w.check.Bad = 0
	samples := worker.NewSamples(n)
	slept := w.sub.Stats().Sleeps
	for i := range samples {
		if err := w.sub.Receive(w.ctx, &m); err != nil {
			return worker.Report{}, err
		}
		samples[i] = uint32(testload.Now())
		w.check.Take(m.Raw)
	}
	slept = w.sub.Stats().Sleeps - slept
	return worker.Report{Bad: w.check.Bad, Samples: samples, Other: worker.Params{"slept": strconv.FormatUint(slept, 10)}}, nil
}
