package main

import (
	"encoding/binary"
	"math"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"shmbus/bus"
	"shmbus/cmd/internal/codec"
)

// renderer makes output of messages.
type renderer struct {
	format codec.Format
	meta   bool
}

// append appends a message as a line, or as an object of msgpack. On error dst is returned as it was.
func (r renderer) append(dst []byte, m *bus.Message) ([]byte, error) {
	if !r.meta {
		return r.format.AppendLine(dst, m.Raw)
	}
	var out []byte
	var err error
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
	if err != nil {
		return dst, err
	}
	return out, nil
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
	dst = appendStr(dst, "topic")
	dst = appendStr(dst, m.Topic)
	dst = appendStr(dst, "position")
	dst = appendUint(dst, m.Position)
	dst = appendStr(dst, "publisher")
	dst = appendUint(dst, uint64(m.Publisher))
	if !t.IsZero() {
		dst = appendStr(dst, "time")
		dst = append(dst, 0xc7, 12, 0xff) // timestamp 96: ext 8, type -1
		dst = binary.BigEndian.AppendUint32(dst, uint32(t.Nanosecond()))
		dst = binary.BigEndian.AppendUint64(dst, uint64(t.Unix()))
	}
	return appendStr(dst, "message")
}

// appendStr appends a string of up to 255 bytes, more than a topic has.
func appendStr(dst []byte, s string) []byte {
	if len(s) < 32 {
		dst = append(dst, 0xa0|byte(len(s)))
	} else {
		dst = append(dst, 0xd9, byte(len(s)))
	}
	return append(dst, s...)
}

func appendUint(dst []byte, n uint64) []byte {
	switch {
	case n < 128:
		return append(dst, byte(n))
	case n <= math.MaxUint8:
		return append(dst, 0xcc, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, 0xcd), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, 0xce), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xcf), n)
}
