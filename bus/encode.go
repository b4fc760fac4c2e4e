package bus

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/vmihailenco/msgpack/v5"

	"shmbus/internal/fence"
	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/ring"
)

// A Marshaler encodes itself as one msgpack frame appended to b, as generated code does
// (github.com/tinylib/msgp and others).
type Marshaler interface {
	MarshalMsg(b []byte) ([]byte, error)
}

// An Unmarshaler decodes the msgpack frame at the start of b, and returns the bytes after the
// frame.
type Unmarshaler interface {
	UnmarshalMsg(b []byte) ([]byte, error)
}

// An encoder writes a frame into a slot, or without a slot into its own buffer. It also moves to
// the buffer when the frame turns out to be larger than the slot.
type encoder struct {
	seg  *segment.Segment // its geometry says how large a frame may be
	enc  *msgpack.Encoder
	buf  []byte // the bytes encoded so far: in slot, or in own
	slot []byte // the slot's payload
	own  []byte // the encoder's buffer, kept between frames

	plain reflect.Type // the type of an earlier value, if the encoder takes all values of it
}

func (e *encoder) init(seg *segment.Segment) {
	e.seg = seg
	e.enc = msgpack.NewEncoder(e)
}

// encode encodes v into the slot, or into the buffer if it does not fit, and returns the frame. The
// frame is valid until the next call.
func (e *encoder) encode(slot []byte, v any) ([]byte, error) {
	e.slot, e.buf = slot, slot[:0]
	if slot == nil {
		e.buf = e.own[:0]
	}
	if m, ok := v.(Marshaler); ok {
		b, err := m.MarshalMsg(e.buf)
		if slot == nil && cap(b) > cap(e.own) && err == nil {
			e.own = make([]byte, 0, min(cap(b), encoderKeeps)) // m may have kept b
		}
		return b, err
	}
	return e.encodeValue(v)
}

// encodeValue encodes v with the msgpack package.
func (e *encoder) encodeValue(v any) ([]byte, error) {
	// A type's own encoding may change settings, and a frame must not refer to strings interned in
	// the frame before.
	e.enc.Reset(e)
	e.enc.UseCompactInts(true)
	e.enc.SetCustomStructTag("json")
	if t := reflect.TypeOf(v); t != nil && t != e.plain {
		return e.encodeCarefully(t, v)
	}
	err := e.enc.Encode(v)
	return e.buf, err
}

// encodeCarefully is encodeValue for a type that the encoder may be unable to encode.
func (e *encoder) encodeCarefully(t reflect.Type, v any) (_ []byte, err error) {
	if v, err = e.look(t, v); err != nil {
		return nil, err
	}
	done := false
	defer func() {
		if done {
			return
		}
		switch r := recover(); {
		case r == nil: // runtime.Goexit
		case encoderPanicked():
			err = fmt.Errorf("%v", r)
			if found := (finder{all: true}).find(reflect.ValueOf(v), 0, 0); found != nil {
				err = found
			}
			err = notEncodable(v, err)
		default:
			panic(r)
		}
	}()
	err = e.enc.Encode(v)
	done = true
	if err != nil && strings.HasPrefix(err.Error(), "msgpack: Encode(unsupported") {
		if found := (finder{all: true}).find(reflect.ValueOf(v), 0, 0); found != nil {
			err = notEncodable(v, found)
		}
	}
	return e.buf, err
}

// look checks whether v can be encoded. It returns v, or a copy that is to be encoded in its place.
// It keeps the type in plain if the encoder takes all values of it.
func (e *encoder) look(t reflect.Type, v any) (any, error) {
	vt := valueTypeOf(t)
	switch {
	case vt.err != nil:
		return nil, notEncodable(v, vt.err)
	case vt.open:
		if err := (finder{}).findInAny(v, 0); err != nil {
			return nil, notEncodable(v, err)
		}
	case !vt.copied && !vt.doubt:
		e.plain = t
	}
	if vt.copied {
		p := reflect.New(t)
		p.Elem().Set(reflect.ValueOf(v))
		v = p.Interface()
	}
	return v, nil
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
	if size > e.seg.Map.Geometry.MaxFrame {
		return tooLarge(e.seg, size)
	}
	if e.slot != nil && segment.SameStart(e.buf[:0], e.slot[:0]) {
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

// encoderKeeps is the most bytes of buffer that an encoder keeps between two frames while it is not
// used.
const encoderKeeps = 1 << 20

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.init(nil)
	return e
}}

// encodeApart encodes v into a buffer and passes the frame to publish, so that no other call waits
// for the caller's code. If the encoding panics, the encoder and its buffer are dropped.
func encodeApart(seg *segment.Segment, v any, publish func(frame []byte) error) error {
	e := encoders.Get().(*encoder)
	e.seg = seg
	frame, err := e.encode(nil, v)
	if err == nil {
		err = publish(frame)
	}
	e.seg, e.buf = nil, nil
	if cap(e.own) > encoderKeeps {
		e.own = nil
	}
	encoders.Put(e)
	return err
}

// Publish encodes v as msgpack and publishes it; an [Exclusive] publisher encodes straight into the
// slot. Struct fields are named by their msgpack tags, or by their json tags if they have none.
// Types may bring their own encoding: [Marshaler], or the CustomEncoder and Marshaler interfaces of
// github.com/vmihailenco/msgpack/v5. Publish waits as [Publisher.PublishRaw] does.
//
// If v contains itself, or a part that msgpack cannot encode, the error is [ErrInvalid] and says
// where in v that part is. A panic of a type's own encoding is passed on to the caller.
func (p *Publisher) Publish(ctx context.Context, v any) error {
	if p.shared {
		return p.publishApart(ctx, v)
	}
	if atomic.LoadUint64(&p.counts[0])%ctxEvery == 0 {
		if err := alive(ctx); err != nil {
			return p.fail("publish", err)
		}
	}
	// While v encodes itself into the slot, held is set and busy is not: Close does not wait for v.
	// After a panic held stays set, and the next call accepts that.
	if atomic.LoadUint64(&p.busy) != 0 || p.held == lent {
		return ErrBusy
	}
	fence.Store(&p.held, encoding)
	if p.alert.Load() != 0 {
		return p.refuseHeld()
	}
	next, slot := p.ring.Next(), p.ring.Payload()[:p.room:p.room]
	frame, err := p.enc.encode(slot, v)
	fence.Store(&p.busy, 1)
	fence.StoreRelease(&p.held, 0)
	switch {
	case err != nil:
	case p.ring.Next() != next:
		err = ErrBusy // v, or another goroutine, has published with the slot
	case len(frame) == 0 || len(frame) > p.room || !segment.SameStart(frame, slot):
		return p.publishElsewhere(ctx, frame)
	default:
		return p.publishEncoded(ctx, frame)
	}
	p.exit()
	return p.fail("publish", err)
}

// refuseHeld ends a Publish that began after Close.
func (p *Publisher) refuseHeld() error {
	fence.Store(&p.busy, 1)
	p.unhold()
	return p.refuse()
}

// publishApart is Publish for any goroutine.
func (p *Publisher) publishApart(ctx context.Context, v any) error {
	if err := alive(ctx); err != nil {
		return p.fail("publish", err)
	}
	return p.fail("publish", encodeApart(p.seg, v, func(frame []byte) error {
		return p.PublishRaw(ctx, frame)
	}))
}

// publishElsewhere is the rest of an exclusive Publish whose frame is not in the slot.
func (p *Publisher) publishElsewhere(ctx context.Context, frame []byte) error {
	defer p.exit()
	return p.fail("publish", p.publishSlow(ctx, frame))
}

// publishEncoded is the rest of an exclusive Publish whose frame is in the slot.
func (p *Publisher) publishEncoded(ctx context.Context, frame []byte) error {
	if fence.RaceEnabled {
		p.ring.CommitPayload(frame)
	}
	info := p.whole | layout.FrameInfo(len(frame))
	if p.stamp {
		p.fillTime(len(frame))
		info += layout.TimeSize
	}
	if p.ring.Exchange(info, p.tag) != ring.Done {
		return p.waitToExchange(ctx, info, len(frame))
	}
	err := p.published(len(frame))
	p.exit()
	return err
}
