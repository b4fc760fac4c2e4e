package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
)

// askEvery is the number of messages between two readings of the clock for --stats.
const askEvery = 1 << 12

// A job prints the messages of a bus.
type job struct {
	o       options
	out     *output
	render  renderer
	notices *cli.Notices

	printed, bytes, lost, losses, bad uint64

	first, last time.Time // of the messages, for --stats: when the first came, and the one numbered timed
	timed       uint64
}

func newJob(o options, out *output, stderr io.Writer) *job {
	j := &job{o: o, out: out, render: renderer{o.format, o.meta, o.whole}}
	j.notices = &cli.Notices{W: stderr, Sum: func(n, count, first, last uint64) string {
		return fmt.Sprintf("lost %s more, in %s, among %d…%d", cli.Plural(count, "position"), cli.Plural(n, "loss"), first, last)
	}}
	return j
}

// run prints until there is a reason to end. If the context has ended, that reason is its cause.
func (j *job) run(ctx context.Context) error {
	for again := false; ; again = true {
		b, err := j.open(ctx, again)
		if err != nil {
			return err
		}
		err = j.subscribe(ctx, b, again)
		b.Close()
		switch {
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.Is(err, bus.ErrRemoved):
			return err
		case !j.o.follow:
			return fmt.Errorf("%w (--follow waits for the next one)", err)
		}
	}
}

// A source is a bus that is open, or observed.
type source interface {
	Subscribe(pattern string, opts ...bus.SubscribeOption) (*bus.Subscription, error)
	Close() error
}

var (
	_ source = (*bus.Bus)(nil)
	_ source = (*bus.Observer)(nil)
)

// open opens the bus. With --follow it waits for the bus.
func (j *job) open(ctx context.Context, again bool) (b source, err error) {
	var with []bus.Option
	if j.o.follow || again {
		waits := ctx
		if j.o.timeout > 0 {
			var cancel context.CancelFunc
			waits, cancel = context.WithTimeout(ctx, j.o.timeout)
			defer cancel()
		}
		with = append(with, bus.WaitForBus(waits))
	}
	if j.o.observe {
		b, err = bus.Observe(j.o.bus, with...)
	} else {
		b, err = bus.Open(j.o.bus, with...)
	}
	switch {
	case err == nil:
		return b, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("%w: no message for %v: %w", cli.ErrTimeout, j.o.timeout, err)
	}
	return nil, err
}

// subscribe prints the messages of one bus.
func (j *job) subscribe(ctx context.Context, b source, again bool) error {
	s, err := b.Subscribe(j.o.patterns[0], j.o.subscribe(again)...)
	if err != nil {
		return err
	}
	defer s.Close()
	// Loading a flag is cheaper than asking the context before every message.
	var ended atomic.Bool
	defer context.AfterFunc(ctx, func() { ended.Store(true) })()
	for !ended.Load() {
		m, err := s.TryNext()
		if err == bus.ErrEmpty {
			j.atRest()
			if m, err = j.await(ctx, s); err != nil && ctx.Err() != nil {
				break
			}
		}
		if err != nil {
			if err = j.dealWith(err); err != nil {
				return err
			}
			continue
		}
		if j.add(&m) {
			j.atRest()
			return nil
		}
		if err := j.out.added(ctx); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// atRest notes when the last message of a run without pauses came.
func (j *job) atRest() {
	if j.o.stats && j.printed > j.timed {
		j.timed, j.last = j.printed, time.Now()
	}
}

// await writes the unfinished block and waits for the next message.
func (j *job) await(ctx context.Context, s *bus.Subscription) (bus.Message, error) {
	if err := j.out.flush(ctx); err != nil {
		return bus.Message{}, err
	}
	if j.o.timeout == 0 {
		return s.Next(ctx)
	}
	limited, cancel := context.WithTimeout(ctx, j.o.timeout)
	defer cancel()
	m, err := s.Next(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil && !errors.Is(err, bus.ErrLost) {
		err = fmt.Errorf("%w: no message for %v", cli.ErrTimeout, j.o.timeout)
	}
	return m, err
}

// add prints a message, and reports whether it was the last one asked for.
func (j *job) add(m *bus.Message) bool {
	buf, err := j.render.append(j.out.buf, m)
	if err != nil {
		j.bad++
		if j.bad <= 10 {
			j.notices.Say("position %d, topic %s, publisher %d: %v; left out", m.Position, cli.Printable(m.Topic), m.Publisher, err)
		}
		return j.printed+j.bad == j.o.count
	}
	j.out.buf = buf
	j.printed++
	j.bytes += uint64(len(m.Raw))
	if j.o.stats && (j.printed == 1 || j.printed%askEvery == 0) {
		j.timed, j.last = j.printed, time.Now()
		if j.printed == 1 {
			j.first = j.last
		}
	}
	return j.printed+j.bad == j.o.count
}

// dealWith reports a loss. The subscription continues after it, unless the messages that --count
// waits for may be among the lost ones. Other errors end the subscription.
func (j *job) dealWith(err error) error {
	var loss *bus.LossError
	if !errors.As(err, &loss) {
		var evicted *bus.EvictedError
		if errors.As(err, &evicted) {
			j.lose(evicted.Loss)
		}
		return err
	}
	j.lose(*loss)
	j.notices.Add(loss.Count, loss.From, loss.To-1, func() string {
		return fmt.Sprintf("lost %s, %d…%d", cli.Plural(loss.Count, "position"), loss.From, loss.To-1)
	})
	if j.o.failOnLoss && j.o.count > 0 {
		return fmt.Errorf("after %d of %s some were lost, so that the rest may never come", j.printed+j.bad, cli.Plural(j.o.count, "message"))
	}
	return nil
}

func (j *job) lose(loss bus.LossError) {
	j.lost += loss.Count
	j.losses++
}

// sumUp prints the totals of what was reported in parts, and what --stats asks for.
func (j *job) sumUp() {
	if j.losses > 1 {
		j.notices.Say("lost %s in all, in %s", cli.Plural(j.lost, "position"), cli.Plural(j.losses, "loss"))
	}
	if j.bad > 10 {
		j.notices.Say("left out %s in all that are not msgpack", cli.Plural(j.bad, "frame"))
	}
	if j.o.stats {
		j.notices.Say("%s, %s, %.3f s%s, %s lost", cli.Plural(j.printed, "message"), cli.Plural(j.bytes, "byte"), j.last.Sub(j.first).Seconds(),
			cli.PerSecond(j.timed, j.first, j.last), cli.Plural(j.lost, "position"))
	}
}
