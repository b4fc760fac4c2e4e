package shmbusworker

import (
	"errors"

	"shmbus/bus"
	"shmbus/test/bench/payload"
	"shmbus/test/bench/worker"
)

// streamBits is where a message's number says whose it is: sender k sends those from k<<streamBits
// on.
const streamBits = 40

func firstOf(sender int) uint64 { return uint64(sender) << streamBits }

// merger receives from several senders, the messages of each in order.
type merger struct {
	*end
	from []payload.Checker
}

func newMerger(e *end, senders int) *merger {
	m := &merger{end: e}
	for i := range senders {
		m.from = append(m.from, payload.Checker{Size: e.size, Next: firstOf(i)})
	}
	return m
}

func (r *merger) Run(n int) (rep worker.Report, err error) {
	var m bus.Message
	sub, ctx, from := r.sub, r.ctx, r.from
	for i := range from {
		from[i].Bad = 0
	}
	for range n {
		if err := sub.Receive(ctx, &m); err != nil {
			return rep, err
		}
		sender := payload.Number(m.Raw) >> streamBits
		if sender >= uint64(len(from)) {
			rep.Bad++
			continue
		}
		from[sender].Take(m.Raw)
	}
	for _, f := range from {
		rep.Bad += f.Bad
	}
	return rep, nil
}

// loser receives from one sender what a lossy subscription gets. Each loss must be as large as it
// is said to be. The last message of a run is never lost, since nothing comes behind it.
type loser struct {
	*end
	last uint64 // of all runs so far, plus one
}

func (r *loser) Run(n int) (rep worker.Report, err error) {
	var m bus.Message
	var loss *bus.LossError
	sub, ctx := r.sub, r.ctx
	check := r.check
	check.Bad = 0
	r.last += uint64(n)
	for check.Next < r.last {
		err := sub.Receive(ctx, &m)
		if errors.As(err, &loss) {
			rep.Lost += loss.Count
			check.Next += loss.Count
			continue
		}
		if err != nil {
			return rep, err
		}
		check.Take(m.Raw)
	}
	r.check = check
	rep.Bad = check.Bad
	return rep, nil
}
