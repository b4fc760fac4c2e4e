package typed

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/vmihailenco/msgpack/v5"

	"shmbus/bus"
	"shmbus/internal/testload"
	"shmbus/test/bench/worker"
)

// The contender typed-encoding encodes and decodes one value again and again in one goroutine, and
// times either, by its role, for each batch. A run is of so many batches. way says from where to
// where:
//
//	slot     bus.Publisher.Publish, straight into the slot, publishing included; Decode inside bus.Subscription.Read, straight out of it
//	copy     into a buffer that is kept and then PublishRaw; Receive, and then Decode
//	fresh    msgpack.Marshal and msgpack.Unmarshal, no bus
//	reused   an encoder with its buffer and a decoder that are kept, no bus
//
// The last value of a batch is compared with the one encoded.
func init() {
	for _, role := range []string{"encode", "decode"} {
		worker.Register("typed-encoding", role, func(p worker.Params) (worker.Runner, error) { return openEncoding(p, role == "decode") })
	}
}

type encoding struct {
	*subject
	encode, decode func() error
	decodes        bool // is what is timed
	close          func() error
}

func openEncoding(p worker.Params, decodes bool) (worker.Runner, error) {
	s, err := newSubject(p)
	if err != nil {
		return nil, err
	}
	c, err := newCodec(p)
	if err != nil {
		return nil, err
	}
	e := &encoding{subject: s, decodes: decodes, close: func() error { return nil }}
	switch way := p.String("way", "slot"); way {
	case "fresh":
		e.fresh()
	case "reused":
		e.reused(c)
	case "slot", "copy":
		err = e.throughBus(p, c, way == "slot")
	default:
		err = fmt.Errorf("way=%s: slot, copy, fresh or reused is needed", way)
	}
	return e, err
}

func (e *encoding) fresh() {
	var b []byte
	if v, ok := e.value.(*Generated); ok {
		e.encode = func() (err error) { b, err = v.MarshalMsg(nil); return err }
		e.decode = func() error { _, err := e.next().(*Generated).UnmarshalMsg(b); return err }
		return
	}
	e.encode = func() (err error) { b, err = msgpack.Marshal(e.value); return err }
	e.decode = func() error { return msgpack.Unmarshal(b, e.next()) }
}

func (e *encoding) reused(c codec) {
	var b []byte
	e.encode = func() (err error) { b, err = c.encode(e.value); return err }
	e.decode = func() error { return c.decode(b, e.next()) }
}

func (e *encoding) throughBus(p worker.Params, c codec, inPlace bool) error {
	dir := bus.WithDir(p["dir"])
	b, err := bus.Create(p["id"], dir, bus.WithSlots(2*e.batch), bus.WithSlotSize(e.slotSize))
	if err != nil {
		return err
	}
	e.close = func() error { return errors.Join(b.Close(), bus.Remove(p["id"], dir)) }
	pub, err := b.Publisher(topic, bus.Exclusive())
	if err != nil {
		return errors.Join(err, e.close())
	}
	sub, err := b.Subscribe(topic, bus.Exclusive())
	if err != nil {
		return errors.Join(err, e.close())
	}
	ctx := context.Background()
	if inPlace {
		e.encode = func() error { return pub.Publish(ctx, e.value) }
		take := func(v bus.View) error { return v.Decode(e.next()) }
		e.decode = func() error { return sub.Read(ctx, take) }
		return nil
	}
	var m bus.Message
	e.encode = func() error {
		b, err := c.encode(e.value)
		if err != nil {
			return err
		}
		return pub.PublishRaw(ctx, b)
	}
	e.decode = func() error {
		if err := sub.Receive(ctx, &m); err != nil {
			return err
		}
		return m.Decode(e.next())
	}
	return nil
}

func (e *encoding) Run(n int) (worker.Report, error) {
	rep := worker.Report{Samples: worker.NewSamples(n), Other: worker.Params{"each": fmt.Sprint(e.batch)}}
	for i := range n {
		start := testload.Now()
		for range e.batch {
			if err := e.encode(); err != nil {
				return rep, err
			}
		}
		between := testload.Now()
		for range e.batch {
			if err := e.decode(); err != nil {
				return rep, err
			}
		}
		took := between - start
		if e.decodes {
			took = testload.Now() - between
		}
		rep.Samples[i] = worker.Sample(took)
		if !reflect.DeepEqual(e.value, e.got) {
			rep.Bad++
		}
	}
	return rep, nil
}

func (e *encoding) Close() error { return e.close() }
