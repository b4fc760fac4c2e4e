//go:build linux && faults

package process

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/internal/testload"
)

// envAcknowledged names a file in which a victim keeps the number of messages that Publish has
// acknowledged.
const envAcknowledged = "SHMBUS_TEST_ACK"

func init() {
	roles["steady"] = steadyRole
	roles["casualty"] = casualtyRole
	for name, f := range map[string]func(*victim){
		"victim publish": (*victim).publish,
		"victim batch":   (*victim).batch,
		"victim contend": (*victim).contend,
		"victim change":  (*victim).change,
		"victim receive": (*victim).receive,
		"victim collect": (*victim).collect,
		"victim room":    (*victim).room,
		"victim watch":   (*victim).watch,
		"victim adopt":   (*victim).adopt,
		"victim create":  (*victim).create,
		"victim lose":    (*victim).lose,
		"victim restore": (*victim).restore,
		"victim joiner":  (*victim).joiner,
	} {
		roles[name] = func(c *child) { runVictim(c, f) }
	}
}

// steadyRole publishes as fast as it can, from "go" to "pause" and from "resume" on.
func steadyRole(c *child) {
	b := c.open()
	defer b.Close()
	p := c.publisher(b)
	c.Say("ready", report{Index: p.Index()})
	for seq := uint64(0); ; {
		select {
		case order := <-c.Orders():
			if order == "pause" {
				c.Say("paused", report{Count: seq})
				c.await("resume")
			}
		default:
		}
		n, err := c.publishSome(p, seq)
		if c.Context().Err() != nil {
			return
		} else if err != nil {
			c.Fault("publish: %v", err)
		}
		seq += n
	}
}

// casualtyRole publishes and has a reliable subscription that it does not read: it holds the ring
// full until it is killed.
func casualtyRole(c *child) {
	b := c.open()
	s, err := b.Subscribe(">", bus.Reliable())
	c.Check(err)
	defer runtime.KeepAlive(s)
	p := c.publisher(b)
	c.Say("ready", nil)
	for seq := uint64(0); ; seq++ {
		c.Check(c.publish(p, seq)) // waits for itself in the end
	}
}

// A victim is a process to which something happens at a point. Each of its methods comes by many.
type victim struct {
	*child
	ack  []byte // mapped
	sent uint64
}

func runVictim(c *child, f func(*victim)) {
	v := &victim{child: c}
	if path := os.Getenv(envAcknowledged); path != "" {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		c.Check(err)
		c.Check(f.Truncate(8))
		v.ack, err = unix.Mmap(int(f.Fd()), 0, 8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		c.Check(err)
	}
	f(v)
	c.Say("done", report{Count: v.sent})
}

// put publishes the next message and notes that it is acknowledged.
func (v *victim) put(p *bus.Publisher, size int) {
	if cap(frameBuffer) < size {
		frameBuffer = make([]byte, size)
	}
	frame := frameBuffer[:size]
	testload.Fill(frame, stamp(v.ID, v.sent))
	v.Check(p.PublishRaw(v.Context(), frame))
	v.note()
}

func (v *victim) note() {
	v.sent++
	if v.ack != nil {
		binary.LittleEndian.PutUint64(v.ack, v.sent)
	}
}

// publish publishes on a new topic in every way there is, to others that sleep, and leaves.
func (v *victim) publish() {
	b := v.open()
	p := v.publisher(b)
	for i := range 12 {
		size := 40
		if i%4 == 2 {
			size = 400 // four slots
		}
		if i%4 == 3 {
			r, err := p.Reserve(size)
			v.Check(err)
			if i == 3 {
				r.Abort()
				r, err = p.Reserve(size)
				v.Check(err)
			}
			testload.Fill(r.Bytes(), stamp(v.ID, v.sent))
			v.Check(r.Commit(v.Context()))
			v.note()
		} else {
			v.put(p, size)
		}
		time.Sleep(time.Millisecond) // others fall asleep again
	}
	v.Check(p.Close())
	v.Check(b.Close())
}

// batch publishes batches on a new topic, to others that sleep: small messages, large ones in
// between, more than the ring holds.
func (v *victim) batch() {
	b := v.open()
	p := v.publisher(b)
	for i := range 8 {
		var frames [][]byte
		for k := range v.Batch {
			size := 40
			if i%2 == 1 && k%8 == 5 {
				size = 400 // four slots
			}
			f := make([]byte, size)
			testload.Fill(f, stamp(v.ID, v.sent+uint64(k)))
			frames = append(frames, f)
		}
		n, err := p.PublishBatch(v.Context(), frames)
		v.Check(err)
		for range n {
			v.note()
		}
		time.Sleep(time.Millisecond) // others fall asleep again
	}
	v.Check(p.Close())
	v.Check(b.Close())
}

// contend publishes many messages, as others do.
func (v *victim) contend() {
	b := v.open()
	p := v.publisher(b)
	for range 20_000 {
		v.put(p, 40)
	}
	v.Check(b.Close())
}

// changers is above the IDs of all processes: the numbers from it on are those of the same process
// on its other topics.
const changers = 100_000

// change publishes without a Publisher, on a topic of its own and on others in turn, to others that
// sleep.
func (v *victim) change() {
	b := v.open()
	for i := range 12 {
		size := 40
		if i%4 == 2 {
			size = 400 // four slots
		}
		frame := make([]byte, size)
		testload.Fill(frame, stamp(v.ID, v.sent))
		v.Check(b.PublishRaw(v.Context(), v.topic(), frame))
		v.note()
		other := make([]byte, 40)
		testload.Fill(other, stamp(v.ID+changers, uint64(i)))
		v.Check(b.PublishRaw(v.Context(), fmt.Sprintf("change.%d.%d", i%3, v.ID+changers), other))
		time.Sleep(time.Millisecond) // others fall asleep again
	}
	v.Check(b.Close())
}

// receive receives in every way there is, asleep and awake, with all and as one that is too slow.
func (v *victim) receive() {
	b := v.open()
	strict := v.Policy == "reliable"
	s := v.subscribe(b)
	ok := v.take(s, 40, strict)
	for i := 0; i < 10 && ok; i++ {
		err := s.Read(v.Context(), func(view bus.View) error {
			m := bus.Message(view)
			return v.verify(&m)
		})
		ok = v.passed(err, strict)
	}
	v.Check(s.Close())
	v.Patterns, v.Wait = []string{v.topic()}, bus.Block
	quiet := v.subscribe(b)
	p := v.publisher(b)
	for i := 0; i < 5; i++ {
		var sent sync.WaitGroup
		sent.Go(func() {
			time.Sleep(2 * time.Millisecond)
			v.put(p, 40)
		})
		if !v.take(quiet, 1, strict) {
			i = 5
		}
		sent.Wait()
	}
	v.Check(quiet.Close())
	slow, err := b.Subscribe("steady.>")
	v.Check(err)
	for range 5 {
		time.Sleep(2 * time.Millisecond)
		v.take(slow, 5, false)
	}
	v.Check(b.Close())
}

// collect receives in batches, asleep and awake.
func (v *victim) collect() {
	b := v.open()
	s := v.subscribe(b)
	batch := make([]bus.Message, v.Batch)
	collect := func(s *bus.Subscription, n int) {
		for n > 0 {
			k, err := s.ReceiveBatch(v.Context(), batch)
			v.Check(err)
			for i := range batch[:k] {
				v.Check(v.verify(&batch[i]))
			}
			n -= k
		}
	}
	collect(s, 500)
	v.Check(s.Close())
	v.Patterns, v.Wait = []string{v.topic()}, bus.Block
	quiet := v.subscribe(b)
	p := v.publisher(b)
	for range 5 {
		var sent sync.WaitGroup
		sent.Go(func() {
			time.Sleep(2 * time.Millisecond)
			for range 10 {
				v.put(p, 40)
			}
		})
		collect(quiet, 10)
		sent.Wait()
	}
	v.Check(b.Close())
}

// take receives and checks n messages. It is false if the subscription has lost some or was cut
// off, as one is that was stopped; a strict one must not be.
func (v *victim) take(s *bus.Subscription, n int, strict bool) bool {
	var m bus.Message
	for range n {
		err := s.Receive(v.Context(), &m)
		if err == nil {
			err = v.verify(&m)
		}
		if !v.passed(err, strict) {
			return false
		}
	}
	return true
}

func (v *victim) passed(err error, strict bool) bool {
	if !strict && (errors.Is(err, bus.ErrEvicted) || errors.Is(err, bus.ErrLost)) {
		return false
	}
	v.Check(err)
	return true
}

func (v *victim) verify(m *bus.Message) error {
	var id int
	if _, err := fmt.Sscanf(m.Topic[lastWord(m.Topic):], "%d", &id); err != nil {
		return fmt.Errorf("topic %q: %w", m.Topic, err)
	}
	_, _, err := testload.Number(m.Raw, uint32(id))
	return err
}

func lastWord(topic string) int {
	for i := len(topic) - 1; i >= 0; i-- {
		if topic[i] == '.' {
			return i + 1
		}
	}
	return 0
}

// room publishes while subscriptions that are not read hold the ring full, until they are cut off.
func (v *victim) room() {
	b := v.open()
	p := v.publisher(b)
	n := b.Sizes().Slots
	for i := range 6 {
		s, err := b.Subscribe(">", bus.DemoteAfter(15*time.Millisecond))
		v.Check(err)
		if i%2 == 1 {
			// One that is asleep when it is cut off.
			quiet, _ := b.Subscribe("nothing", bus.EvictAfter(time.Millisecond), bus.Wait(bus.Block))
			defer runtime.KeepAlive(quiet)
		}
		for range 2 * n {
			v.put(p, 40)
		}
		v.Check(s.Close())
	}
	v.Check(b.Close())
}

// watch hears of deaths and clears what the dead left.
func (v *victim) watch() {
	b := v.open()
	v.Say("watching", nil)
	ctx, stop := context.WithCancel(v.Context())
	defer stop()
	var deaths uint64
	err := b.WatchDeaths(ctx, func(bus.Death) {
		if deaths++; deaths == v.Count {
			stop()
		}
	})
	if !errors.Is(err, context.Canceled) {
		v.Fault("watch: %v", err)
	}
	v.Check(b.Close())
}

// adopt takes over records of the dead that nobody has cleared: those that are free are taken
// before.
func (v *victim) adopt() {
	b := v.open()
	var all []*bus.Publisher
	for {
		p, err := b.Publisher(v.topic())
		if errors.Is(err, bus.ErrTableFull) {
			break
		}
		v.Check(err)
		all = append(all, p)
	}
	var subs []*bus.Subscription
	for {
		s, err := b.Subscribe(v.topic())
		if errors.Is(err, bus.ErrTableFull) {
			break
		}
		v.Check(err)
		subs = append(subs, s)
	}
	v.put(all[0], 40)
	for _, s := range subs {
		v.take(s, 1, false)
	}
	v.Check(b.Close())
}

// create makes a bus of its own and removes it.
func (v *victim) create() {
	b, _, err := bus.OpenOrCreate(otherName, bus.WithSlots(64))
	v.Check(err)
	v.Check(b.Close())
	v.Check(bus.Remove(otherName))
}

// lose waits for a message on a bus that is taken away.
func (v *victim) lose() {
	b, err := bus.Open(otherName)
	if errors.Is(err, bus.ErrNotFound) || errors.Is(err, bus.ErrRemoved) {
		return // stopped before it had it
	}
	v.Check(err)
	s, err := b.Subscribe(">", bus.Wait(bus.Block))
	if errors.Is(err, bus.ErrRemoved) {
		v.Check(b.Close())
		return
	}
	v.Check(err)
	if _, err := s.Next(v.Context()); !errors.Is(err, bus.ErrRemoved) {
		v.Fault("waiting on a bus that was taken away: %v", err)
	}
	v.Check(b.Close())
}

// restore waits on a bus that loses its key file, until the file is back.
func (v *victim) restore() {
	b, err := bus.Open(otherName)
	v.Check(err)
	s, err := b.Subscribe(">", bus.Wait(bus.Block))
	v.Check(err)
	path := filepath.Join(os.Getenv("SHMBUS_DIR"), otherName+".shmbus")
	v.Check(os.Remove(path))
	ctx, stop := context.WithCancel(v.Context())
	go func() {
		defer stop()
		for ctx.Err() == nil {
			if st, err := os.Stat(path); err == nil && st.Size() > 0 {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	if _, err := s.Next(ctx); !errors.Is(err, context.Canceled) {
		v.Fault("waiting on a bus that lost its key file: %v", err)
	}
	v.Check(b.Close())
}

const otherName = "other"
