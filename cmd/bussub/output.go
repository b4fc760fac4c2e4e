package main

import (
	"context"
	"io"
	"time"

	"shmbus/cmd/internal/cli"
)

const (
	outputBuffers = 3
	// blockSize is the size of a write to anything but a terminal: the default capacity of a pipe.
	blockSize = 64 << 10
	// keepSize bounds the buffer that is kept after a large message.
	keepSize = 4 << 20
	// grace is the time that stdout has after a signal to take the remaining output.
	grace = 500 * time.Millisecond
)

// output writes in a goroutine of its own. So the command receives meanwhile, and a reader that
// stops reading does not keep the command from ending.
type output struct {
	w     io.Writer
	block int

	buf  []byte      // being filled; its owner appends to it
	free chan []byte // written
	full chan []byte // to be written

	failed func(error)   // called once, with the error that ended the writing
	done   chan struct{} // closed after the last write; err is set then
	err    error
}

func newOutput(w io.Writer, failed func(error)) *output {
	o := &output{
		w: w, block: blockSize,
		free: make(chan []byte, outputBuffers), full: make(chan []byte, outputBuffers),
		failed: failed, done: make(chan struct{}),
	}
	if cli.IsTerminal(w) {
		o.block = 1
	}
	for range outputBuffers - 1 {
		o.free <- nil
	}
	go o.run()
	return o
}

func (o *output) run() {
	defer close(o.done)
	for buf := range o.full {
		if o.err == nil {
			if _, o.err = o.w.Write(buf); o.err != nil {
				o.failed(o.err)
			}
		}
		if cap(buf) > keepSize {
			buf = nil
		}
		o.free <- buf[:0]
	}
}

// added must be called after each message. It returns when there is room for the next one, or ctx
// has ended.
func (o *output) added(ctx context.Context) error {
	if len(o.buf) < o.block {
		return nil
	}
	return o.flush(ctx)
}

// flush hands the filled part of the buffer to the writing goroutine.
func (o *output) flush(ctx context.Context) error {
	if len(o.buf) == 0 {
		return nil
	}
	select {
	case next := <-o.free:
		o.full <- o.buf
		o.buf = next
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// close writes the remaining output and returns the error that ended the writing. After ctx has
// ended, stdout has the time grace for it.
func (o *output) close(ctx context.Context) error {
	// The capacity of full is the number of buffers: there is always room.
	if len(o.buf) > 0 {
		o.full <- o.buf
	}
	close(o.full)
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-o.done:
		return o.err
	case <-t.C:
		return context.Cause(ctx)
	}
}
