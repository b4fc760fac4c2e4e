// Package shmbusworker has the roles of the bus itself, through its public API only: send and recv,
// ping and pong; tick and wake, which time how a sleeping subscriber is woken; fill and skip, which
// time what passing over messages takes; asleep, which has subscriptions that nobody publishes to;
// steps, whose instructions are counted; and daemon, which starts busd.
//
// The worker that is ready first makes the bus, in dir, and removes it at the end; all others open
// it. Parameters beside the common ones:
//
//	slots     messages that the ring holds (as many as by default, or fewer where they would take more than 256 MiB)
//	slotsize  bytes of a slot; as many as by default, or what a larger message and its header need, at most 64 KiB + 64; a smaller one makes fragments
//	owned, publishers  slots that each publisher owns (2 to 12), and publishers that the bus has room for: the bus's defaults
//	topics, subscribers  that the bus has room for: the bus's defaults
//	form      exclusive (default) or safe: of publishers and subscriptions, for one goroutine or for any
//	wait      adaptive (default), spin, yield or block: both for messages and for room
//	batch     messages of one call, one way (1: a call each)
//	policy    reliable (default) or lossy: of subscriptions
//	senders   that a receiver has (1); they are the workers with index= from 0 on
//	asleep    subscriptions of the role asleep (1)
package shmbusworker

import (
	"context"
	"fmt"

	"shmbus/bus"
	"shmbus/layout"
	"shmbus/test/bench/payload"
	"shmbus/test/bench/worker"
)

const (
	headerSize  = 16
	largestSlot = 64<<10 + 64
	memoryLimit = 256 << 20
)

// settings are the parameters that all roles share.
type settings struct {
	name, dir string
	size      int
	options   []bus.Option // of whoever makes the bus
	wait      bus.WaitStrategy
	safe      bool // for any goroutine
	lossy     bool
	batch     int
}

func parse(p worker.Params) (settings, error) {
	s := settings{name: p.String("id", "bench"), dir: p["dir"], size: p.Int("size", 48), batch: p.Int("batch", 1)}
	if s.dir == "" {
		return s, fmt.Errorf("dir=: a folder for the key file is needed")
	}
	if err := payload.Valid(s.size); err != nil {
		return s, err
	}
	byDefault := layout.Default()
	slotSize := p.Int("slotsize", min(max((s.size+headerSize+63)/64*64, byDefault.SlotSize), largestSlot))
	slots := byDefault.Slots
	for slots > 8 && slots*slotSize > memoryLimit {
		slots /= 2
	}
	s.options = []bus.Option{bus.WithDir(s.dir), bus.WithSlotSize(slotSize), bus.WithSlots(p.Int("slots", slots))}
	if n := p.Int("owned", 0); n > 0 {
		s.options = append(s.options, bus.WithOwnedSlots(n))
	}
	if n := p.Int("publishers", 0); n > 0 {
		s.options = append(s.options, bus.WithPublishers(n))
	}
	if n := p.Int("topics", 0); n > 0 {
		s.options = append(s.options, bus.WithTopics(n))
	}
	if n := p.Int("subscribers", 0); n > 0 {
		s.options = append(s.options, bus.WithSubscribers(n))
	}
	switch policy := p.String("policy", "reliable"); policy {
	case "reliable", "lossy":
		s.lossy = policy == "lossy"
	default:
		return s, fmt.Errorf("policy=%s: reliable or lossy is needed", policy)
	}
	switch form := p.String("form", "exclusive"); form {
	case "exclusive", "safe":
		s.safe = form == "safe"
	default:
		return s, fmt.Errorf("form=%s: exclusive or safe is needed", form)
	}
	for _, s.wait = range []bus.WaitStrategy{bus.Adaptive, bus.Block, bus.Yield, bus.Spin} {
		if s.wait.String() == p.String("wait", "adaptive") {
			return s, nil
		}
	}
	return s, fmt.Errorf("wait=%s: adaptive, spin, yield or block is needed", p["wait"])
}

// An end is one worker's handle of the bus, with a publisher, a subscription or both.
type end struct {
	settings
	bus   *bus.Bus
	pub   *bus.Publisher
	sub   *bus.Subscription
	buf   []byte          // what is published
	check payload.Checker // what is received
	sent  uint64
	owns  bool // the bus, which it removes
	ctx   context.Context
}

// open opens the bus, and makes it if owns. An empty topic is none.
func open(p worker.Params, owns bool, publish, subscribe string) (*end, error) {
	s, err := parse(p)
	if err != nil {
		return nil, err
	}
	e := &end{settings: s, owns: owns, ctx: context.Background(), buf: payload.New(s.size), check: payload.Checker{Size: s.size}}
	if owns {
		e.bus, _, err = bus.OpenOrCreate(s.name, s.options...)
	} else {
		e.bus, err = bus.Open(s.name, bus.WithDir(s.dir))
	}
	if err != nil {
		return nil, err
	}
	if publish != "" {
		if e.pub, err = e.bus.Publisher(publish, s.publisher()...); err != nil {
			return nil, e.fail(err)
		}
	}
	if subscribe != "" {
		if e.sub, err = e.bus.Subscribe(subscribe, s.subscription()...); err != nil {
			return nil, e.fail(err)
		}
	}
	return e, nil
}

func (s settings) publisher() []bus.PublishOption {
	o := []bus.PublishOption{bus.Wait(s.wait)}
	if !s.safe {
		o = append(o, bus.Exclusive())
	}
	return o
}

func (s settings) subscription() []bus.SubscribeOption {
	o := []bus.SubscribeOption{bus.Wait(s.wait)}
	if !s.safe {
		o = append(o, bus.Exclusive())
	}
	if !s.lossy {
		o = append(o, bus.Reliable())
	}
	return o
}

func (e *end) fail(err error) error {
	e.Close()
	return err
}

// Close leaves the bus, and removes it if this end made it.
func (e *end) Close() error {
	err := e.bus.Close()
	if e.owns {
		err = bus.Remove(e.name, bus.WithDir(e.dir))
	}
	return err
}
