package typed

import (
	"bytes"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"shmbus/test/bench/worker"
)

// A codec makes bytes of a value and back, by a pointer to it. Bytes that encode returns are the
// codec's until its next call.
type codec interface {
	encode(v any) ([]byte, error)
	decode(b []byte, v any) error
}

func newCodec(p worker.Params) (codec, error) {
	switch name := p.String("codec", "reflect"); name {
	case "reflect":
		return newReflected(), nil
	case "generated":
		return &generated{}, nil
	default:
		return nil, fmt.Errorf("codec=%s: reflect or generated is needed", name)
	}
}

// reflected keeps an encoder, with the option that the bus uses, and a decoder, since both are
// costly to make.
type reflected struct {
	out bytes.Buffer
	in  bytes.Reader
	enc *msgpack.Encoder
	dec *msgpack.Decoder
}

func newReflected() *reflected {
	r := &reflected{}
	r.enc = msgpack.NewEncoder(&r.out)
	r.enc.UseCompactInts(true)
	r.dec = msgpack.NewDecoder(&r.in)
	return r
}

func (r *reflected) encode(v any) ([]byte, error) {
	r.out.Reset()
	err := r.enc.Encode(v)
	return r.out.Bytes(), err
}

func (r *reflected) decode(b []byte, v any) error {
	r.in.Reset(b)
	return r.dec.Decode(v)
}

// generated is for a Quote or a Generated.
type generated struct{ buf []byte }

func asGenerated(v any) *Generated {
	if q, ok := v.(*Quote); ok {
		return (*Generated)(q)
	}
	return v.(*Generated)
}

func (g *generated) encode(v any) (b []byte, err error) {
	g.buf, err = asGenerated(v).MarshalMsg(g.buf[:0])
	return g.buf, err
}

func (g *generated) decode(b []byte, v any) error {
	_, err := asGenerated(v).UnmarshalMsg(b)
	return err
}

// A series makes the values with the numbers from 0 on, and compares those that arrive with them.
type series struct {
	codec
	next, seen uint64
	sent, got  Quote
	failed     error // of decoding, the first
}

func newSeries(p worker.Params) (*series, error) {
	c, err := newCodec(p)
	return &series{codec: c}, err
}

func (s *series) fill() ([]byte, error) {
	s.sent = At(s.next)
	s.next++
	return s.encode(&s.sent)
}

func (s *series) take(b []byte) bool {
	s.got = Quote{}
	if err := s.decode(b, &s.got); err != nil && s.failed == nil {
		s.failed = err
	}
	ok := s.got == At(s.seen)
	s.seen++
	return ok
}
