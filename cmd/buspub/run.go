package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
)

const (
	openPoll        = 20 * time.Millisecond
	subscribersPoll = 10 * time.Millisecond
)

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	cmd := newCommand(func(cmd *cobra.Command, o options) error {
		return start(cmd.Context(), o, stdin, stderr)
	})
	return cli.Execute(ctx, cmd, args, stdin, stdout, stderr)
}

// start does what the options say, up to the end of the input.
func start(ctx context.Context, o options, stdin io.Reader, stderr io.Writer) error {
	b, err := open(ctx, o)
	if err != nil {
		return interrupted(ctx, err, 0)
	}
	defer b.Close()
	with := []bus.PublisherOption{bus.Exclusive()}
	if o.noWait {
		with = append(with, bus.NoWait())
	}
	if o.stamp {
		with = append(with, bus.WithTime())
	}
	p, err := b.Publisher(o.topic, with...)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := awaitSubscribers(ctx, b, o); err != nil {
		return interrupted(ctx, err, 0)
	}
	j := newJob(p, o, stderr)
	err = j.run(ctx, stdin)
	if closing := p.Close(); err == nil {
		err = closing
	}
	if o.stats {
		j.report()
	}
	if kept := b.Kept(); err == nil && j.published > 0 && kept != nil {
		err = fmt.Errorf("the messages are lost: %w", kept)
	}
	return interrupted(ctx, err, j.published)
}

func open(ctx context.Context, o options) (*bus.Bus, error) {
	if o.create {
		b, _, err := bus.OpenOrCreate(o.bus)
		return b, err
	}
	deadline := time.Now().Add(o.wait)
	for {
		// The clock is read first: after a stop that lasted beyond the deadline the bus may be there.
		left := time.Until(deadline)
		b, err := bus.Open(o.bus)
		missing := errors.Is(err, bus.ErrNotFound) || errors.Is(err, bus.ErrIncomplete)
		switch {
		case !missing || o.wait == 0:
			return b, err
		case left <= 0:
			return nil, fmt.Errorf("%w after %v: %w", cli.ErrTimeout, o.wait, err)
		}
		if err := cli.Sleep(ctx, min(openPoll, left)); err != nil {
			return nil, err
		}
	}
}

// awaitSubscribers returns when enough subscriptions want the topic. It wants to see them twice, since
// a subscription shows its interest a moment before it has its place in the ring.
func awaitSubscribers(ctx context.Context, b *bus.Bus, o options) error {
	if o.subscribers == 0 {
		return nil
	}
	deadline := time.Now().Add(o.timeout)
	for seen := false; ; {
		late := time.Now().After(deadline) // before the look, which counts
		s, err := b.Snapshot()
		if err != nil {
			return err
		}
		n := interested(s, o.topic)
		enough := n >= o.subscribers
		if enough && seen {
			return nil
		}
		seen = enough
		if o.timeout > 0 && late && !enough {
			return fmt.Errorf("%w after %v: %d of %s want %s (see: busd status %s)",
				cli.ErrTimeout, o.timeout, n, cli.Plural(o.subscribers, "subscription"), o.topic, o.bus)
		}
		if err := cli.Sleep(ctx, subscribersPoll); err != nil {
			return err
		}
	}
}

func interested(s bus.Snapshot, topic string) int {
	for _, t := range s.Topics {
		if t.Name == topic {
			return t.Subscribers
		}
	}
	return 0
}

// interrupted replaces err by what gives the exit code of a signal, if it was a signal that ended ctx. The
// input has not come to its end then, so that this is no success.
func interrupted(ctx context.Context, err error, published uint64) error {
	var end cli.SignalError
	if err == nil || !errors.As(context.Cause(ctx), &end) {
		return err
	}
	if !errors.As(err, &end) && !errors.Is(err, context.Canceled) {
		return err
	}
	number, _ := end.Signal.(syscall.Signal)
	return &cli.ExitError{
		Code: 128 + int(number),
		Err:  fmt.Errorf("%v after %s", end, cli.Plural(published, "message")),
	}
}
