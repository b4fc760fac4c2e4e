package typed

import "shmbus/test/bench/worker"

func init() {
	worker.Register("typed-codec", "both", func(p worker.Params) (worker.Runner, error) {
		s, err := newSeries(p)
		return &alone{s}, err
	})
}

// alone encodes and decodes without carrying: no transport that encodes and decodes in one
// goroutine can be faster, and one that does both at the same time in two at most twice as fast.
type alone struct{ *series }

func (a *alone) Run(n int) (worker.Report, error) {
	var rep worker.Report
	for range n {
		b, err := a.fill()
		if err != nil {
			return rep, err
		}
		if !a.take(b) {
			rep.Bad++
		}
	}
	return rep, a.failed
}

func (a *alone) Close() error { return nil }
