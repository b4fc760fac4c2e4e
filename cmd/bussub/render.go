package main

import (
	"encoding/binary"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"shmbus/bus"
	"shmbus/cmd/internal/codec"
	"shmbus/internal/wire"
)

// renderer turns messages into output.
type renderer struct {
	format codec.Format
	meta   bool
	whole  bool // no newline after a message of text or raw
}

// append appends a message as a line, or as a msgpack object. On error it returns dst unchanged.
func (r renderer) append(dst []byte, m *bus.Message) ([]byte, error) {
	var out []byte
	var err error
	switch {
	case r.whole:
		if out, err = r.format.AppendLine(dst, m.Raw); err == nil {
			out = out[:len(out)-1]
		}
	case !r.meta:
		return r.format.AppendLine(dst, m.Raw)
	default:
		out, err = r.withMeta(dst, m)
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

func (r renderer) withMeta(dst []byte, m *bus.Message) (out []byte, err error) {
	switch r.format {
	case codec.JSON:
		out, err = r.format.AppendLine(appendJSONMeta(dst, m), m.Raw)
		if err == nil {
			out[len(out)-1] = '}'
			out = append(out, '\n')
		}
	case codec.Msgpack:
		out, err = r.format.AppendLine(appendMsgpackMeta(dst, m), m.Raw)
	default:
		out, err = r.format.AppendLine(appendTextMeta(dst, m), m.Raw)
	}
	return out, err
}

// appendJSONMeta appends the object up to the message.
func appendJSONMeta(dst []byte, m *bus.Message) []byte {
	dst = append(dst, `{"topic":`...)
	dst, _ = jsontext.AppendQuote(dst, m.Topic)
	dst = append(dst, `,"position":`...)
	dst = strconv.AppendUint(dst, m.Position, 10)
	dst = append(dst, `,"publisher":`...)
	dst = strconv.AppendInt(dst, int64(m.Publisher), 10)
	if t := m.Time(); !t.IsZero() {
		dst = append(dst, `,"time":"`...)
		dst = t.UTC().AppendFormat(dst, time.RFC3339Nano)
		dst = append(dst, '"')
	}
	return append(dst, `,"message":`...)
}

func appendTextMeta(dst []byte, m *bus.Message) []byte {
	dst = append(dst, m.Topic...)
	dst = append(dst, '\t')
	dst = strconv.AppendUint(dst, m.Position, 10)
	dst = append(dst, '\t')
	dst = strconv.AppendInt(dst, int64(m.Publisher), 10)
	dst = append(dst, '\t')
	if t := m.Time(); t.IsZero() {
		dst = append(dst, '-')
	} else {
		dst = t.UTC().AppendFormat(dst, time.RFC3339Nano)
	}
	return append(dst, '\t')
}

// appendMsgpackMeta appends a map up to the value of its last key.
func appendMsgpackMeta(dst []byte, m *bus.Message) []byte {
	t := m.Time()
	size := byte(4)
	if !t.IsZero() {
		size++
	}
	dst = append(dst, 0x80|size)
	dst = wire.AppendString(dst, "topic")
	dst = wire.AppendString(dst, m.Topic)
	dst = wire.AppendString(dst, "position")
	dst = wire.AppendUint(dst, m.Position)
	dst = wire.AppendString(dst, "publisher")
	dst = wire.AppendUint(dst, uint64(m.Publisher))
	if !t.IsZero() {
		dst = wire.AppendString(dst, "time")
		dst = append(dst, 0xc7, 12, 0xff) // timestamp 96: ext 8, type -1
		dst = binary.BigEndian.AppendUint32(dst, uint32(t.Nanosecond()))
		dst = binary.BigEndian.AppendUint64(dst, uint64(t.Unix()))
	}
	return wire.AppendString(dst, "message")
}
