package typed

import (
	"context"
	"fmt"

	"shmbus/bus"
	"shmbus/layout"
	"shmbus/test/bench/link"
	"shmbus/test/bench/worker"
)

func init() {
	worker.Register("typed-shmbus", link.Send, openSender)
	worker.Register("typed-shmbus", link.Recv, openReceiver)
}

const (
	topic    = "quotes"
	slotSize = 128 // holds any value's encoding
)

func waiting(p worker.Params) (bus.WaitStrategy, error) {
	for _, w := range []bus.WaitStrategy{bus.Adaptive, bus.Block, bus.Yield, bus.Spin} {
		if w.String() == p.String("wait", "adaptive") {
			return w, nil
		}
	}
	return 0, fmt.Errorf("wait=%s: adaptive, spin, yield or block is needed", p["wait"])
}

// sender publishes with bus.Publish, pointers to spare a copy.
type sender struct {
	bus     *bus.Bus
	pub     *bus.Publisher
	publish func(*Quote) error
	next    uint64
}

func openSender(p worker.Params) (worker.Runner, error) {
	if _, err := newCodec(p); err != nil {
		return nil, err
	}
	w, err := waiting(p)
	if err != nil {
		return nil, err
	}
	s := &sender{}
	err = link.UntilThere(func() error {
		s.bus, err = bus.Open(p["id"], bus.WithDir(p["dir"]))
		return err
	})
	if err != nil {
		return nil, err
	}
	if s.pub, err = s.bus.Publisher(topic, bus.Exclusive(), bus.Wait(w)); err != nil {
		s.bus.Close()
		return nil, err
	}
	ctx := context.Background()
	s.publish = func(q *Quote) error { return s.pub.Publish(ctx, q) }
	if p.String("codec", "reflect") == "generated" {
		s.publish = func(q *Quote) error { return s.pub.Publish(ctx, (*Generated)(q)) }
	}
	return s, nil
}

func (s *sender) Run(n int) (worker.Report, error) {
	var q Quote
	for range n {
		q = At(s.next)
		s.next++
		if err := s.publish(&q); err != nil {
			return worker.Report{}, err
		}
	}
	return worker.Report{}, nil
}

func (s *sender) Close() error { return s.bus.Close() }

// receiver makes the bus, and receives with bus.ReceiveInto, as others decode into a value that
// they keep.
type receiver struct {
	params  worker.Params
	bus     *bus.Bus
	sub     *bus.Subscription
	receive func() error
	quote   Quote
	seen    uint64
}

func openReceiver(p worker.Params) (worker.Runner, error) {
	if _, err := newCodec(p); err != nil {
		return nil, err
	}
	w, err := waiting(p)
	if err != nil {
		return nil, err
	}
	r := &receiver{params: p}
	r.bus, err = bus.Create(p["id"], bus.WithDir(p["dir"]), bus.WithSlots(p.Int("slots", layout.Default().Slots)), bus.WithSlotSize(slotSize))
	if err != nil {
		return nil, err
	}
	if r.sub, err = r.bus.Subscribe(topic, bus.Exclusive(), bus.Reliable(), bus.Wait(w)); err != nil {
		r.Close()
		return nil, err
	}
	ctx := context.Background()
	r.receive = func() error {
		_, err := bus.ReceiveInto(ctx, r.sub, &r.quote)
		return err
	}
	if p.String("codec", "reflect") == "generated" {
		r.receive = func() error {
			_, err := bus.ReceiveInto(ctx, r.sub, (*Generated)(&r.quote))
			return err
		}
	}
	return r, nil
}

func (r *receiver) Run(n int) (rep worker.Report, err error) {
	for range n {
		if err := r.receive(); err != nil {
			return rep, err
		}
		if r.quote != At(r.seen) {
			rep.Bad++
		}
		r.seen++
	}
	return rep, nil
}

func (r *receiver) Close() error {
	r.bus.Close()
	return bus.Remove(r.params["id"], bus.WithDir(r.params["dir"]))
}
