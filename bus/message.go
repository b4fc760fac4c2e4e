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
	Topic    string
	Position uint64 // in the bus's one order; of its last slot, if it took several
	// Raw is the msgpack frame. The caller owns it; with [Exclusive] it is valid until the next
	// call on the subscription.
	Raw       []byte
	nanos     int64
	Publisher int // number of its publisher's record; a later publisher may get the same record
}

// A View is a message in place, which [Subscription.Read] passes to its callback. Raw is the slot
// itself, or a buffer if the message took several slots. Neither the View nor its fields may be
// used after the callback returns; [View.Clone] makes a copy that lasts.
type View struct {
	Topic     string
	Position  uint64 // in the bus's one order; of its last slot, if it took several
	Raw       []byte // the msgpack frame, in the segment: it must not be written to
	nanos     int64
	Publisher int // number of its publisher's record; a later publisher may get the same record
}

// Size returns the bytes of the frame.
func (v View) Size() int { return len(v.Raw) }

// Time returns when the message was published, as [Message.Time] does.
func (v View) Time() time.Time { return Message(v).Time() }

// Decode decodes the frame into x, a pointer, as [Message.Decode] does. A value that decodes itself
// must not keep the bytes that it is given.
func (v View) Decode(x any) error { return Message(v).Decode(x) }

// Clone returns a message with a copy of the frame. The caller owns the copy.
func (v View) Clone() Message { return Message(v).Clone() }

// Size returns the bytes of the frame.
func (m Message) Size() int { return len(m.Raw) }

// Time returns the time at which the message was ready to be published. It is the zero time unless
// the publisher has [WithTime].
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
// A value that does not fit its place is an error: a number that is out of range, a fraction for an
// integer, an integer that a float would round, or bytes after the frame.
//
// A v of type any gets an int64, a uint64 if int64 is too small, a float64, string, []byte, bool,
// nil, [time.Time], []any or map[string]any, or map[any]any if a key is not a string.
// docs/values.md has the whole table. Decode does not trust the frame: if it is nested deeper than
// 1,000 levels, or announces more than it holds, the error comes before anything is allocated for
// it.
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

var errNoMessage = errors.New("there is no message: the call that received it returned an error, " +
	"such as a loss, which the program ignored")

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
