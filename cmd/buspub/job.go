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
	"shmbus/cmd/internal/codec"
)

// errStuck is the cause of a context in which a publish has waited longer than --timeout.
var errStuck = errors.New("no room in the ring")

// A job publishes the messages of one source.
type job struct {
	o options
	p *bus.Publisher

	src     source
	what    string // a message of src is called
	pace    *pacer
	dog     *watchdog
	notices *cli.Notices

	published, bytes, skipped uint64

	begin time.Time
}

func newJob(p *bus.Publisher, o options, stderr io.Writer) *job {
	j := &job{o: o, p: p, what: "line", begin: time.Now()}
	switch {
	case o.messages != nil:
		j.what = "message"
	case o.format == codec.Msgpack:
		j.what = "object"
	}
	j.notices = &cli.Notices{W: stderr, Sum: func(n, _, first, last uint64) string {
		return fmt.Sprintf("skipped %d more, among %ss %d to %d", n, j.what, first, last)
	}}
	if o.rate > 0 {
		j.pace = newPacer(o.rate)
	}
	return j
}

// run publishes all there is.
func (j *job) run(parent context.Context, stdin io.Reader) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	if j.o.timeout > 0 {
		j.dog = new(watchdog)
		go j.dog.watch(ctx, j.o.timeout, func() { cancel(errStuck) })
	}
	if j.o.messages != nil {
		j.src = &arguments{messages: j.o.messages}
	} else {
		j.src = codec.NewReader(newFeed(ctx, stdin), j.o.format, j.longest())
	}
	// Looking at a flag is cheaper than asking the context before every message.
	var ended atomic.Bool
	defer context.AfterFunc(ctx, func() { ended.Store(true) })()

	err := j.publish(ctx, &ended)
	j.notices.Flush()
	if j.skipped > 0 {
		j.notices.Say("skipped %d of %d %ss", j.skipped, j.src.Number(), j.what)
		if err == nil {
			err = cli.ErrFailed
		}
	}
	return err
}

// longest is the length of the longest line to be read: one of JSON may be much longer than its message.
func (j *job) longest() int { return max(4*j.p.MaxFrame(), codec.DefaultMax) }

func (j *job) publish(ctx context.Context, ended *atomic.Bool) error {
	var frame []byte
	for {
		if ended.Load() {
			return context.Cause(ctx)
		}
		line, err := j.src.Next()
		switch {
		case err == nil:
		case err == io.EOF:
			return nil
		case context.Cause(ctx) != nil && errors.Is(err, context.Cause(ctx)):
			return err
		default:
			if err = j.unreadable(err); err != nil {
				return err
			}
			continue
		}
		if j.o.format.Blank(line) && j.o.messages == nil {
			continue
		}
		if frame, err = j.o.format.AppendFrame(frame[:0], line); err != nil {
			if err = j.skip(j.hint(err)); err != nil {
				return err
			}
			continue
		}
		if j.pace != nil {
			if err := j.pace.wait(ctx); err != nil {
				return err
			}
		}
		if err := j.send(ctx, frame); err != nil {
			return err
		}
	}
}

// send publishes one frame.
func (j *job) send(ctx context.Context, frame []byte) error {
	if j.dog != nil {
		j.dog.begin()
	}
	err := j.p.PublishRaw(ctx, frame)
	if j.dog != nil {
		j.dog.end()
	}
	switch {
	case err == nil:
		j.published++
		j.bytes += uint64(len(frame))
		return nil
	case context.Cause(ctx) == errStuck:
		var full *bus.FullError
		if errors.As(err, &full) {
			who := *full
			who.Err = nil // the context ended because of errStuck
			return j.at(fmt.Errorf("%w: %w for %v: %w (see: busd status %s)", cli.ErrTimeout, errStuck, j.o.timeout, &who, j.o.bus))
		}
		return j.at(fmt.Errorf("%w: %w for %v (see: busd status %s)", cli.ErrTimeout, errStuck, j.o.timeout, j.o.bus))
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, bus.ErrTooLarge), errors.Is(err, bus.ErrFull):
		return j.skip(err)
	}
	return j.at(err)
}

// skip leaves the current message out, or returns the error if that is not what was asked for.
func (j *job) skip(err error) error {
	if err = j.at(err); j.o.onError == stop {
		return err
	}
	j.skipped++
	number := uint64(j.src.Number())
	j.notices.Add(1, number, number, func() string { return cli.Line(err) + "; skipped" })
	return nil
}

// unreadable deals with an error of the source other than its end.
func (j *job) unreadable(err error) error {
	var syntax *codec.SyntaxError
	switch {
	case errors.Is(err, codec.ErrTooLong):
		err = fmt.Errorf("more than %d bytes; this bus takes messages of %d (fixed at its creation: --max-frame)", j.longest(), j.p.MaxFrame())
		if j.o.format != codec.Msgpack {
			return j.skip(err)
		}
		return j.at(err)
	case errors.As(err, &syntax):
		return j.at(fmt.Errorf("%w; nothing says where the next object begins, so this is the end", j.hint(err)))
	}
	return fmt.Errorf("read standard input: %w", err)
}

// hint adds what to do about a line that is not what the format asks for.
func (j *job) hint(err error) error {
	var syntax *codec.SyntaxError
	if j.o.format != codec.JSON || !errors.As(err, &syntax) || errors.Is(err, codec.ErrTooDeep) {
		return err
	}
	return fmt.Errorf("%w (for a string: --format text)", err)
}

// at adds the number of the current message.
func (j *job) at(err error) error {
	return fmt.Errorf("%s %d: %w", j.what, j.src.Number(), err)
}

func (j *job) report() {
	d := time.Since(j.begin).Seconds()
	j.notices.Say("%d messages, %d bytes, %.3f s, %.0f msgs/s", j.published, j.bytes, d, float64(j.published)/d)
}
