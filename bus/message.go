package bus

import (
	"bytes"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// A Message is one frame as a subscription received it.
type Message struct {
	Topic     string
	Position  uint64 // in the bus's one order; of its last slot, if it took several
	Raw       []byte // the msgpack frame, valid until the next call on the subscription
	nanos     int64
	Publisher int // number of the record of its publisher; used again after that has left
}

// A View is a message in place: Raw is the slot itself, or a buffer if the message took several slots.
type View = Message

// Size returns the bytes of the frame.
func (m Message) Size() int { return len(m.Raw) }

// Time returns when the message was published, if its publisher has [WithTime]; otherwise the zero time.
func (m Message) Time() time.Time {
	if m.nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, m.nanos)
}

// Decode decodes the frame into v, a pointer, as [Publisher.Publish] encoded it. A v that is an
// [Unmarshaler] decodes itself.
func (m Message) Decode(v any) error {
	if u, ok := v.(Unmarshaler); ok {
		_, err := u.UnmarshalMsg(m.Raw)
		return err
	}
	return msgpack.Unmarshal(m.Raw, v)
}

// Clone returns the message with a Raw of its own.
func (m Message) Clone() Message {
	m.Raw = bytes.Clone(m.Raw)
	return m
}
