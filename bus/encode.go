package bus

import (
	"context"

	"github.com/vmihailenco/msgpack/v5"

	"shmbus/ring/fence"
)

// A Marshaler encodes itself as one msgpack frame appended to b, as generated code does
// (github.com/tinylib/msgp and others).
type Marshaler interface {
	MarshalMsg(b []byte) ([]byte, error)
}

// An Unmarshaler decodes the msgpack frame at the start of b and returns what follows it.
type Unmarshaler interface {
	UnmarshalMsg(b []byte) ([]byte, error)
}

// An encoder writes a frame into the slot that is published next, and moves to a buffer when the frame
// turns out to be larger.
type encoder struct {
	p    *Publisher
	enc  *msgpack.Encoder
	buf  []byte // what is encoded so far: in the slot, or spilled
	slot []byte // the slot's payload
	own  []byte // the spill buffer, kept
}

func (e *encoder) init(p *Publisher) {
	e.p = p
	e.enc = msgpack.NewEncoder(e)
	e.enc.UseCompactInts(true)
	e.enc.SetCustomStructTag("json")
}

func (e *encoder) begin() {
	e.slot = e.p.ring.Payload()[:e.p.room:e.p.room]
	e.buf = e.slot[:0]
}

// Write implements io.Writer for the msgpack encoder.
func (e *encoder) Write(b []byte) (int, error) {
	if len(e.buf)+len(b) > cap(e.buf) {
		if err := e.grow(len(b)); err != nil {
			return 0, err
		}
	}
	e.buf = append(e.buf, b...)
	return len(b), nil
}

// WriteByte implements io.ByteWriter.
func (e *encoder) WriteByte(c byte) error {
	if len(e.buf) == cap(e.buf) {
		if err := e.grow(1); err != nil {
			return err
		}
	}
	e.buf = append(e.buf, c)
	return nil
}

func (e *encoder) grow(n int) error {
	size := len(e.buf) + n
	if limit := e.p.MaxFrame(); size > limit {
		return e.p.tooLarge(size)
	}
	if sameStart(e.buf[:0], e.slot[:0]) {
		e.own = append(e.own[:0], e.buf...)
		e.buf = e.own
	}
	if cap(e.buf) < size {
		grown := make([]byte, len(e.buf), max(2*cap(e.buf), size))
		copy(grown, e.buf)
		e.buf = grown
	}
	e.own = e.buf
	return nil
}

// Publish encodes v as msgpack, straight into the slot, and publishes it. Struct fields are named by
// their msgpack tags, or by their json tags where they have none; types may bring their own encoding: [Marshaler], or the CustomEncoder and Marshaler interfaces of
// github.com/vmihailenco/msgpack/v5. It waits as [Publisher.PublishRaw] does.
func (p *Publisher) Publish(ctx context.Context, v any) error {
	if !p.enter() {
		return ErrClosed
	}
	err := p.publishValue(ctx, v)
	p.exit()
	return err
}

func (p *Publisher) publishValue(ctx context.Context, v any) error {
	if p.held != 0 {
		return ErrBusy
	}
	e := &p.enc
	e.begin()
	if m, ok := v.(Marshaler); ok {
		b, err := m.MarshalMsg(e.buf)
		if err != nil {
			return err
		}
		e.buf = b
	} else {
		e.enc.ResetWriter(e) // strings interned in one frame are unknown in the next
		if err := e.enc.Encode(v); err != nil {
			return err
		}
	}
	if len(e.buf) == 0 || len(e.buf) > p.room || !sameStart(e.buf, e.slot) {
		return p.publishSlow(ctx, e.buf)
	}
	if fence.RaceEnabled {
		p.ring.CommitPayload(e.buf)
	}
	return p.publishFilled(ctx, len(e.buf))
}
