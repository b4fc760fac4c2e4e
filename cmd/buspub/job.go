package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
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

	encoder codec.Encoder
	rounded rounding // in the current message

	src     source
	what    string // a message of src is called
	pace    *pacer
	dog     *watchdog
	notices *cli.Notices

	published, bytes, skipped uint64
	numbers                   uint64 // numbers published as another

	begin, first time.Time // of the job; when its first message was published
}

// rounding says which numbers of a message are published as other numbers.
type rounding struct {
	count       uint64
	first, into string
}

func newJob(p *bus.Publisher, o options, stderr io.Writer) *job {
	j := &job{o: o, p: p, what: "line", begin: time.Now()}
	j.encoder = codec.Encoder{Format: o.format, Numbers: o.numbers, Rounded: j.round}
	switch {
	case o.messages != nil:
		j.what = "message"
	case o.whole:
		j.what = "standard input"
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

// run publishes all messages of the source.
func (j *job) run(parent context.Context, stdin io.Reader) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	if j.o.timeout > 0 {
		j.dog = newWatchdog(ctx, j.o.timeout)
	}
	switch {
	case j.o.messages != nil:
		j.src = &arguments{messages: j.o.messages}
	case j.o.whole:
		j.src = &whole{src: newFeed(ctx, stdin), max: j.longest()}
	default:
		j.src = codec.NewReader(newFeed(ctx, stdin), j.o.format, j.longest())
	}
	// Loading a flag is cheaper than asking the context before every message.
	var ended atomic.Bool
	defer context.AfterFunc(ctx, func() { ended.Store(true) })()

	err := j.publish(ctx, &ended)
	j.notices.Flush()
	if j.numbers > 1 {
		j.notices.Say("%d numbers in all were published as the nearest float64", j.numbers)
	}
	if j.skipped > 0 {
		j.notices.Say("skipped %d of %s", j.skipped, cli.Plural(j.src.Number(), j.what))
		if err == nil {
			err = cli.ErrFailed
		}
	}
	return err
}

// longest is the length of the longest line that is read: a line of JSON may be much longer than
// its message.
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
		if j.o.format == codec.JSON {
			line = bytes.TrimPrefix(line, byteOrderMark)
		}
		if j.o.format.Blank(line) && j.o.messages == nil && !j.o.whole {
			continue
		}
		if frame, err = j.encoder.AppendFrame(frame[:0], line); err != nil {
			j.rounded = rounding{}
			if err = j.skip(j.hint(err, line)); err != nil {
				return err
			}
			continue
		}
		if j.rounded.count > 0 {
			j.tell()
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

// round is called for a number that is published as another.
func (j *job) round(text []byte, nearest float64) {
	if j.rounded.count == 0 {
		const shown = 40
		j.rounded.first = string(text[:min(len(text), shown)])
		if len(text) > shown {
			j.rounded.first += "…"
		}
		j.rounded.into = strconv.FormatFloat(nearest, 'g', -1, 64)
	}
	j.rounded.count++
}

// tell says, of the first such message, what is done about numbers that do not fit.
func (j *job) tell() {
	if j.numbers == 0 {
		j.notices.Say("%v", j.at(fmt.Errorf("the number %s is published as the nearest float64, %s (said once; --numbers exact keeps such numbers, --numbers error refuses them)",
			j.rounded.first, j.rounded.into)))
	}
	j.numbers += j.rounded.count
	j.rounded = rounding{}
}

// send publishes one frame.
func (j *job) send(ctx context.Context, frame []byte) error {
	var err error
	if j.dog == nil {
		err = j.p.PublishRaw(ctx, frame)
	} else {
		err = j.dog.do(ctx, func(ctx context.Context) error { return j.p.PublishRaw(ctx, frame) })
	}
	switch {
	case err == nil:
		j.published++
		j.bytes += uint64(len(frame))
		if j.published == 1 {
			j.first = time.Now()
		}
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, errStuck):
		var full *bus.FullError
		if errors.As(err, &full) {
			who := *full
			who.Err = nil // the context ended because of errStuck
			return j.at(fmt.Errorf("%w: %w for %v: %w (see: busd status %s)", cli.ErrTimeout, errStuck, j.o.timeout, &who, j.o.bus))
		}
		return j.at(fmt.Errorf("%w: %w for %v (see: busd status %s)", cli.ErrTimeout, errStuck, j.o.timeout, j.o.bus))
	case errors.Is(err, bus.ErrTooLarge):
		var large *bus.TooLargeError
		errors.As(err, &large)
		return j.skip(large) // bus and topic are on the command line
	case errors.Is(err, bus.ErrFull):
		return j.skip(err)
	}
	return j.at(err)
}

// skip leaves the current message out if --on-error skip is given; otherwise it returns the error.
func (j *job) skip(err error) error {
	if err = j.at(err); j.o.onError == stop {
		return err
	}
	j.skipped++
	number := uint64(j.src.Number())
	j.notices.Add(1, number, number, func() string { return cli.Line(err) + "; skipped" })
	return nil
}

// unreadable handles an error of the source other than its end.
func (j *job) unreadable(err error) error {
	var syntax *codec.SyntaxError
	switch {
	case errors.Is(err, codec.ErrTooLong):
		err = fmt.Errorf("more than %d bytes; this bus takes messages of %d (fixed at its creation: --max-frame)", j.longest(), j.p.MaxFrame())
		if j.o.format != codec.Msgpack && !j.o.whole {
			return j.skip(err)
		}
		return j.at(err)
	case errors.As(err, &syntax):
		return j.at(fmt.Errorf("%w; nothing says where the next object begins, so this is the end", j.hint(err, nil)))
	}
	return fmt.Errorf("read standard input: %w", err)
}

// hint adds advice to the error for a line that the format does not allow.
func (j *job) hint(err error, line []byte) error {
	var syntax *codec.SyntaxError
	var number *codec.NumberError
	if errors.As(err, &number) {
		return fmt.Errorf("%w (--numbers exact carries it as it is written)", err)
	}
	if j.o.format != codec.JSON || !errors.As(err, &syntax) || errors.Is(err, codec.ErrTooDeep) || errors.Is(err, codec.ErrCutNumber) {
		return err
	}
	switch {
	case bytes.HasPrefix(line, []byte("\xff\xfe")), bytes.HasPrefix(line, []byte("\xfe\xff")):
		return fmt.Errorf("%w (this is UTF-16: send it through iconv -f UTF-16 -t UTF-8)", err)
	case j.o.whole:
		return fmt.Errorf("%w (for a string: --format text)", err)
	}
	return fmt.Errorf("%w (for a string: --format text; for one value over several lines: --whole)", err)
}

// byteOrderMark begins some UTF-8 files. It is not part of the JSON text.
var byteOrderMark = []byte("\uFEFF")

// at adds the number of the current message to an error.
func (j *job) at(err error) error {
	if j.o.whole {
		return fmt.Errorf("%s: %w", j.what, err)
	}
	return fmt.Errorf("%s %d: %w", j.what, j.src.Number(), err)
}

// report prints what --stats asks for.
func (j *job) report() {
	end := time.Now()
	rate := cli.PerSecond(j.published, j.first, end)
	j.notices.Say("%s, %s, %.3f s%s", cli.Plural(j.published, "message"), cli.Plural(j.bytes, "byte"), end.Sub(j.begin).Seconds(), rate)
}
