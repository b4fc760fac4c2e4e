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

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	cmd := newCommand(func(cmd *cobra.Command, o options) error {
		return start(cmd.Context(), o, stdin, stderr)
	})
	return cli.Execute(ctx, cmd, args, stdin, stdout, stderr)
}

// start runs the command until the end of the input.
func start(ctx context.Context, o options, stdin io.Reader, stderr io.Writer) error {
	b, err := open(ctx, o)
	if err != nil {
		return interrupted(ctx, err, 0)
	}
	defer b.Close()
	with := []bus.PublishOption{bus.Exclusive()}
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
	if o.wait == 0 {
		return bus.Open(o.bus)
	}
	limited, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	b, err := bus.Open(o.bus, bus.WaitForBus(limited))
	return b, timedOut(ctx, err, o.wait)
}

// awaitSubscribers returns when enough subscriptions want the topic.
func awaitSubscribers(ctx context.Context, b *bus.Bus, o options) error {
	if o.subscribers == 0 {
		return nil
	}
	limited := ctx
	if o.timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	err := b.WaitForSubscribers(limited, o.topic, o.subscribers)
	var few *bus.SubscribersError
	if errors.As(err, &few) {
		err = fmt.Errorf("%w (see: busd status %s)", err, o.bus)
	}
	return timedOut(ctx, err, o.timeout)
}

// timedOut says after what time something ended, if it was that which ended it, and not ctx.
func timedOut(ctx context.Context, err error, d time.Duration) error {
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w after %v: %w", cli.ErrTimeout, d, err)
	}
	return err
}

// interrupted replaces err by the error that gives the exit code of a signal, if a signal ended
// ctx. The input has not come to its end then, so this is not a success.
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
