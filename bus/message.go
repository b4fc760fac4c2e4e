package bus

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"shmbus/internal/decode"
	"shmbus/internal/wire"
)

// A Message is one frame as a subscription received it.
type Message struct {
	Topic     string
	Position  uint64 // in the bus's one order; of its last slot, if it took several
	Raw       []byte // the msgpack frame: the caller's, or, with Exclusive, valid until the next call on the subscription
	nanos     int64
	Publisher int // number of the record of its publisher; used again after that has left
}

// A View is a message in place, as [Subscription.Read] shows it to its callback: Raw is the slot
// itself, or a buffer if the message took several slots. Neither it nor what it holds may be used
// after the callback has returned; what is to last longer is a [View.Clone].
type View struct {
	Topic     string
	Position  uint64 // in the bus's one order; of its last slot, if it took several
	Raw       []byte // the msgpack frame, in the segment: it must not be written to
	nanos     int64
	Publisher int // number of the record of its publisher; used again after that has left
}

// Size returns the bytes of the frame.
func (v View) Size() int { return len(v.Raw) }

// Time returns when the message was published, as [Message.Time] does.
func (v View) Time() time.Time { return Message(v).Time() }

// Decode decodes the frame into x, a pointer, as [Message.Decode] does. A value that decodes itself
// must not keep what it is given.
func (v View) Decode(x any) error { return Message(v).Decode(x) }

// Clone returns a message with a copy of the frame, which is the caller's.
func (v View) Clone() Message { return Message(v).Clone() }

// Size returns the bytes of the frame.
func (m Message) Size() int { return len(m.Raw) }

// Time returns when the message was published, if its publisher has [WithTime]; otherwise the zero
// time.
func (m Message) Time() time.Time {
	if m.nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, m.nanos)
}

// Decode decodes the frame into v, a pointer. Struct fields are named by their msgpack tags, or by
// their json tags where they have none. A v that is an [Unmarshaler] decodes itself, and so do
// types with the CustomDecoder or Unmarshaler interfaces of github.com/vmihailenco/msgpack/v5, or
// with those of package encoding.
//
// A value that does not fit its place is an error: a number out of range or with a fraction where
// an integer is needed, an integer that a float would round, bytes after the frame. Into a v of
// type any go int64, uint64 where int64 is too small, float64, string, []byte, bool, nil,
// [time.Time], []any and map[string]any, or map[any]any where a key is no string; docs/values.md
// has the whole table. The frame is not trusted: one nested deeper than 1,000 levels or that
// announces more than it holds is an error before anything is allocated for it.
//
// The error is a [*DecodeError]; v may then hold some of the message.
func (m Message) Decode(v any) error {
	err := m.decode(v)
	if err == nil {
		return nil
	}
	e := &DecodeError{Topic: m.Topic, Position: m.Position, Err: err}
	if at, ok := err.(*decode.Error); ok {
		e.Path, e.Err = at.Path, at.Err
	}
	return e
}

var errNoMessage = errors.New("there is no message: the error that came in its place, such as a " +
	"loss, was not looked at")

func (m Message) decode(v any) error {
	if m.Topic == "" && len(m.Raw) == 0 {
		return errNoMessage
	}
	u, ok := v.(Unmarshaler)
	if !ok {
		return decode.Into(m.Raw, v)
	}
	if offset, err := wire.Check(m.Raw); err != nil {
		return fmt.Errorf("byte %d: %w", offset, err)
	}
	rest, err := u.UnmarshalMsg(m.Raw)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%w: %T left %d bytes", wire.ErrTrailing, v, len(rest))
	}
	return err
}

// Clone returns the message with a Raw of its own.
func (m Message) Clone() Message {
	m.Raw = bytes.Clone(m.Raw)
	return m
}
