//go:build linux

package process

import (
	"os"
	"strconv"
	"time"

	"shmbus/bus"
	"shmbus/internal/testload"
	"shmbus/internal/testproc"
)

// A job is what a worker is to do.
type job struct {
	Role string
	Bus  string
	Auto bool // do not wait for the order "go"

	Batch int // messages published or received with one call, if more than one

	// of publishers
	ID       int    // last word of the topic
	Topic    string // the words before it
	Count    uint64 // messages; 0: until the order "stop"
	Min, Max int    // bytes of a message
	Pace     time.Duration

	// of subscribers
	Patterns []string
	Policy   string // "", "reliable", "evict", "demote"
	Patience time.Duration
	From     string // "", "oldest", or a position
	Wait     bus.WaitStrategy
	Single   bool // every message takes one slot and is wanted: positions must have no gap
	Every    bool // every publisher's messages must be there from its first on, without a gap
	Subs     int  // number of subscriptions

	Creation creation
}

// A creation is the part of a bus's geometry that tests choose.
type creation struct {
	Slots, SlotSize, Publishers, Subscribers, Clients, Topics int
	Mode                                                      os.FileMode
}

func (c creation) options() []bus.Option {
	var opts []bus.Option
	for _, o := range []struct {
		n int
		f func(int) bus.Option
	}{
		{c.Slots, bus.WithSlots}, {c.SlotSize, bus.WithSlotSize}, {c.Publishers, bus.WithPublishers},
		{c.Subscribers, bus.WithSubscribers}, {c.Clients, bus.WithClients}, {c.Topics, bus.WithTopics},
	} {
		if o.n != 0 {
			opts = append(opts, o.f(o.n))
		}
	}
	if c.Mode != 0 {
		opts = append(opts, bus.WithMode(c.Mode))
	}
	return opts
}

// A report is what a worker says with an event.
type report struct {
	Error    string            `json:"error,omitempty"`
	Index    int               `json:"index,omitempty"`
	Count    uint64            `json:"count,omitempty"`
	Position uint64            `json:"position,omitempty"`
	Received uint64            `json:"received,omitempty"`
	Lost     uint64            `json:"lost,omitempty"`
	Losses   uint64            `json:"losses,omitempty"`
	From     uint64            `json:"from,omitempty"`
	To       uint64            `json:"to,omitempty"`
	Hash     uint64            `json:"hash,omitempty"`
	Made     bool              `json:"made,omitempty"`
	Pid      int               `json:"pid,omitempty"`
	Clock    int64             `json:"clock,omitempty"` // of testload.Now()
	Seqs     map[uint32]uint64 `json:"seqs,omitempty"`
}

// A child is the worker's side of a worker.
type child struct {
	*testproc.Child
	job
}

// await waits for an order.
func (c *child) await(order string) {
	if !c.Auto {
		c.Await(order)
	}
}

// stamp is that of a publisher's message.
func stamp(id int, seq uint64) testload.Stamp {
	return testload.Stamp{Sender: uint32(id), Number: seq}
}

func (c *child) open() *bus.Bus {
	b, err := bus.Open(c.Bus, bus.WithClientName(c.job.Role))
	c.Check(err)
	return b
}

func (c *child) publisher(b *bus.Bus) *bus.Publisher {
	opts := []bus.PublishOption{bus.Wait(c.Wait)}
	if exclusive(c.ID) {
		opts = append(opts, bus.Exclusive())
	}
	p, err := b.Publisher(c.topic(), opts...)
	c.Check(err)
	return p
}

// exclusive reports whether the publisher of the given ID is, which every other one is: its
// messages all come from one record. Others' reservations have records of their own.
func exclusive(id int) bool { return id%2 == 1 }

func (c *child) topic() string { return c.Topic + "." + strconv.Itoa(c.ID) }

func (c *child) subscribe(b *bus.Bus) *bus.Subscription {
	opts := []bus.SubscribeOption{bus.Also(c.Patterns[1:]...), bus.Wait(c.Wait)}
	switch c.Policy {
	case "reliable":
		opts = append(opts, bus.Reliable())
	case "evict":
		opts = append(opts, bus.EvictAfter(c.Patience))
	case "demote":
		opts = append(opts, bus.DemoteAfter(c.Patience))
	}
	switch c.From {
	case "":
	case "oldest":
		opts = append(opts, bus.FromOldest())
	default:
		p, err := strconv.ParseUint(c.From, 10, 64)
		c.Check(err)
		opts = append(opts, bus.FromPosition(p))
	}
	s, err := b.Subscribe(c.Patterns[0], opts...)
	c.Check(err)
	return s
}
