package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/spf13/cobra"

	"shmbus/cmd/internal/cli"
)

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	cmd := newCommand(func(cmd *cobra.Command, o options) error {
		return start(cmd.Context(), o, stdout, stderr)
	})
	return cli.Execute(ctx, cmd, args, stdin, stdout, stderr)
}

// start runs the command until its end.
func start(parent context.Context, o options, stdout, stderr io.Writer) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	defer onHangup(stdout, cancel)()

	out := newOutput(stdout, cancel)
	j := newJob(o, out, stderr)
	err := j.run(ctx)
	if closing := out.close(ctx); closing != nil {
		err = closing // the cause of all that followed
	}
	j.notices.Flush()
	j.sumUp()
	return j.verdict(parent, err)
}

// verdict returns the error with which the command ends.
func (j *job) verdict(ctx context.Context, err error) error {
	var end cli.SignalError
	if errors.As(err, &end) || errors.Is(err, context.Canceled) && errors.As(context.Cause(ctx), &end) {
		if j.o.count > 0 {
			number, _ := end.Signal.(syscall.Signal)
			return &cli.ExitError{
				Code: 128 + int(number),
				Err:  fmt.Errorf("%v after %d of %s", end, j.printed+j.bad, cli.Plural(j.o.count, "message")),
			}
		}
		err = nil
	}
	if err == nil && (j.bad > 0 || j.lost > 0 && j.o.failOnLoss) {
		return cli.ErrFailed
	}
	return err
}
