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

const (
	openPoll = 20 * time.Millisecond
	// askEvery is how many messages may pass between two looks at the clock for --stats.
	askEvery = 1 << 12
)

// A job prints the messages of a bus.
type job struct {
	o       options
	out     *output
	render  renderer
	notices *cli.Notices

	printed, bytes, lost, losses, bad uint64

	first, last time.Time // of the messages
}

func newJob(o options, out *output, stderr io.Writer) *job {
	j := &job{o: o, out: out, render: renderer{o.format, o.meta}}
	j.notices = &cli.Notices{W: stderr, Sum: func(n, count, first, last uint64) string {
		return fmt.Sprintf("lost %d more positions (losses: %d), among %d…%d", count, n, first, last)
	}}
	return j
}

// run prints until there is a reason to end, which is the context's cause if that has ended.
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

func (j *job) attach() (source, error) {
	if j.o.observe {
		return bus.Observe(j.o.bus)
	}
	return bus.Open(j.o.bus)
}

// open opens the bus, with --follow as soon as it exists.
func (j *job) open(ctx context.Context, again bool) (source, error) {
	begin := time.Now()
	for {
		b, err := j.attach()
		missing := errors.Is(err, bus.ErrNotFound) || errors.Is(err, bus.ErrIncomplete) || errors.Is(err, bus.ErrRemoved)
		switch {
		case !missing || !j.o.follow && !again:
			return b, err
		case j.o.timeout > 0 && time.Since(begin) >= j.o.timeout:
			return nil, fmt.Errorf("%w: no message for %v: %w", cli.ErrTimeout, j.o.timeout, err)
		}
		select {
		case <-time.After(openPoll):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// subscribe prints the messages of one bus.
func (j *job) subscribe(ctx context.Context, b source, again bool) error {
	s, err := b.Subscribe(j.o.patterns[0], j.o.subscribe(again)...)
	if err != nil {
		return err
	}
	defer s.Close()
	// Looking at a flag is cheaper than asking the context before every message.
	var ended atomic.Bool
	defer context.AfterFunc(ctx, func() { ended.Store(true) })()
	for !ended.Load() {
		m, err := s.TryNext()
		if err == bus.ErrEmpty {
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
			return nil
		}
		if err := j.out.added(ctx); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// await writes what there is and waits for the next message.
func (j *job) await(ctx context.Context, s *bus.Subscription) (bus.Message, error) {
	if j.printed > 0 && j.o.stats {
		j.last = time.Now()
	}
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
		return false
	}
	j.out.buf = buf
	if j.printed%askEvery == 0 && j.o.stats {
		j.last = time.Now()
		if j.printed == 0 {
			j.first = j.last
		}
	}
	j.printed++
	j.bytes += uint64(len(m.Raw))
	return j.printed == j.o.count
}

// dealWith reports a loss, after which the subscription goes on. Other errors end it.
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
		return fmt.Sprintf("lost %d positions, %d…%d", loss.Count, loss.From, loss.To-1)
	})
	return nil
}

func (j *job) lose(loss bus.LossError) {
	j.lost += loss.Count
	j.losses++
}

// sumUp says what has been said bit by bit, and what --stats asks for.
func (j *job) sumUp() {
	if j.losses > 1 {
		j.notices.Say("lost %d positions in all (losses: %d)", j.lost, j.losses)
	}
	if j.bad > 10 {
		j.notices.Say("left out %d frames in all that are not msgpack", j.bad)
	}
	if j.o.stats {
		d := j.last.Sub(j.first).Seconds()
		rate := 0.0
		if d > 0 {
			rate = float64(j.printed) / d
		}
		j.notices.Say("%d messages, %d bytes, %.3f s, %.0f msgs/s, %d positions lost", j.printed, j.bytes, d, rate, j.lost)
	}
}
