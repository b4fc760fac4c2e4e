//go:build linux

package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/internal/testload"
)

var roles map[string]func(*child)

func init() {
	roles = map[string]func(*child){
		"publish":   publishRole,
		"subscribe": subscribeRole,
		"sleepers":  sleepersRole,
		"echo":      echoRole,
		"once":      onceRole,
		"watch":     watchRole,
		"wait":      waitRole,
		"create":    createRole,
		"step":      stepRole,
		"quiet":     quietRole,
		"recreate":  recreateRole,
		"churn":     churnRole,
		"make":      makeRole,
		"remove":    removeRole,
		"reopen":    reopenRole,
	}
}

// publishRole publishes numbered messages until it has published enough, is stopped or killed.
func publishRole(c *child) {
	b := c.open()
	defer b.Close()
	p := c.publisher(b)
	c.Say("ready", report{Index: p.Index()})
	c.await("go")
	var seq uint64
	for (c.Count == 0 || seq < c.Count) && !c.Told("stop") {
		n, err := c.publishSome(p, seq)
		if c.Context().Err() != nil {
			return
		} else if err != nil {
			c.Fault("publish: %v", err)
		}
		seq += n
		if c.Pace > 0 {
			time.Sleep(c.Pace)
		}
	}
	c.Say("done", report{Count: seq})
	<-c.Context().Done()
}

var frameBuffer []byte

// publish publishes message seq, every fourth in place.
func (c *child) publish(p *bus.Publisher, seq uint64) error {
	n := testload.Size(uint32(c.ID), seq, c.Min, c.Max)
	if seq%4 == 3 {
		r, err := p.Reserve(n)
		if err != nil {
			return err
		}
		testload.Fill(r.Bytes(), stamp(c.ID, seq))
		return r.Commit(c.Context())
	}
	if cap(frameBuffer) < n {
		frameBuffer = make([]byte, max(n, c.Max))
	}
	b := frameBuffer[:n]
	testload.Fill(b, stamp(c.ID, seq))
	return p.PublishRaw(c.Context(), b)
}

// publishSome publishes message seq, or a batch that begins with it, and returns how many that
// were.
func (c *child) publishSome(p *bus.Publisher, seq uint64) (uint64, error) {
	if c.Batch <= 1 {
		return 1, c.publish(p, seq)
	}
	k := uint64(c.Batch)
	if c.Count > seq {
		k = min(k, c.Count-seq)
	}
	var frames [][]byte
	for i := range k {
		b := make([]byte, testload.Size(uint32(c.ID), seq+i, c.Min, c.Max))
		testload.Fill(b, stamp(c.ID, seq+i))
		frames = append(frames, b)
	}
	n, err := p.PublishBatch(c.Context(), frames)
	if err == nil && n != len(frames) {
		err = fmt.Errorf("%d of %d were published", n, len(frames))
	}
	return uint64(n), err
}

// subscribeRole reads and checks until it is told to exit. It reports at each message on endTopic.
func subscribeRole(c *child) {
	b := c.open()
	defer b.Close()
	s := c.subscribe(b)
	l := newLedger(c.job, s.Position())
	c.Say("ready", report{Position: s.Position()})
	c.await("go")
	batch := make([]bus.Message, max(c.Batch, 1))
	receive := func() (int, error) {
		if c.Batch > 1 {
			return s.ReceiveBatch(c.Context(), batch)
		}
		return 1, s.Receive(c.Context(), &batch[0])
	}
	for {
		n, err := receive()
		var loss *bus.LossError
		var evicted *bus.EvictedError
		switch {
		case err == nil:
			for i := range batch[:n] {
				m := &batch[i]
				if err := l.take(m); err != nil {
					c.Fault("%v", err)
				}
				if m.Topic == endTopic {
					c.Say("end", l.report())
				}
			}
		case errors.As(err, &evicted):
			if _, again := receive(); !errors.Is(again, bus.ErrEvicted) {
				c.Fault("after an eviction: %v", again)
			}
			r := l.report()
			r.From, r.To, r.Lost = evicted.Loss.From, evicted.Loss.To, evicted.Loss.Count
			c.Say("evicted", r)
			<-c.Context().Done()
			return
		case errors.As(err, &loss):
			if err := l.lose(loss); err != nil {
				c.Fault("%v", err)
			}
			c.Say("loss", report{From: loss.From, To: loss.To, Lost: loss.Count})
		case errors.Is(err, bus.ErrRemoved):
			c.Say("removed", l.report())
			<-c.Context().Done()
			return
		case c.Context().Err() != nil:
			return
		default:
			c.Fault("receive: %v", err)
		}
		if c.Pace > 0 {
			time.Sleep(c.Pace)
		}
	}
}

// sleepersRole sleeps in many subscriptions, each on a topic of its own, and reports who wakes.
func sleepersRole(c *child) {
	b := c.open()
	defer b.Close()
	done := make(chan error)
	for i := range c.Subs {
		s, err := b.Subscribe(fmt.Sprintf("%s.%d.%d", c.Topic, c.ID, i), bus.Wait(c.Wait))
		c.Check(err)
		go func() {
			for {
				m, err := s.Next(c.Context())
				if err != nil {
					done <- err
					return
				}
				c.Say("woke", report{Index: i, Position: m.Position})
			}
		}()
	}
	c.Say("ready", nil)
	for range c.Subs {
		if err := <-done; c.Context().Err() == nil {
			c.Fault("a sleeper got: %v", err)
		}
	}
}

// echoRole answers every message on ping with one on pong.
func echoRole(c *child) {
	b := c.open()
	defer b.Close()
	s := c.subscribe(b)
	p, err := b.Publisher("pong", bus.Wait(c.Wait))
	c.Check(err)
	c.Say("ready", nil)
	for {
		m, err := s.Next(c.Context())
		if c.Context().Err() != nil {
			return
		}
		c.Check(err)
		c.Check(p.PublishRaw(c.Context(), m.Raw))
	}
}

// onceRole publishes one message and kills itself.
func onceRole(c *child) {
	b := c.open()
	p := c.publisher(b)
	frame := make([]byte, c.Min)
	testload.Fill(frame, stamp(c.ID, 0))
	c.Say("ready", nil)
	c.await("go")
	if p.PublishRaw(context.Background(), frame) == nil {
		unix.Kill(os.Getpid(), unix.SIGKILL)
	}
	c.Fault("still there")
}

// watchRole listens for deaths and reports them.
func watchRole(c *child) {
	b := c.open()
	defer b.Close()
	c.Say("ready", nil)
	err := b.WatchDeaths(c.Context(), func(d bus.Death) { c.Say("death", report{Pid: d.Pid, Clock: testload.Now()}) })
	if c.Context().Err() == nil {
		c.Fault("watch: %v", err)
	}
}

// waitRole waits for a message, or, with a Count, publishes until it has to wait for room, and
// reports the error with which that ends.
func waitRole(c *child) {
	b := c.open()
	defer b.Close()
	if c.Count == 0 {
		s := c.subscribe(b)
		c.Say("ready", nil)
		_, err := s.Next(c.Context())
		for errors.Is(err, bus.ErrLost) {
			_, err = s.Next(c.Context())
		}
		c.Say("outcome", outcome(err))
	} else {
		p := c.publisher(b)
		c.Say("ready", nil)
		var err error
		for i := uint64(0); err == nil; i++ {
			err = c.publish(p, i)
		}
		c.Say("outcome", outcome(err))
	}
	<-c.Context().Done()
}

// outcome reports which of the errors for errors.Is this is.
func outcome(err error) report {
	var r report
	for _, known := range []struct {
		err  error
		name string
	}{
		{bus.ErrRemoved, "removed"}, {bus.ErrTableFull, "table full"}, {os.ErrPermission, "permission"}, {bus.ErrNotFound, "not found"},
		{bus.ErrExists, "exists"}, {bus.ErrVersion, "version"}, {bus.ErrNotABus, "not a bus"}, {bus.ErrIncomplete, "incomplete"},
	} {
		if errors.Is(err, known.err) {
			r.Error = known.name
			return r
		}
	}
	if err != nil {
		r.Error = err.Error()
	}
	return r
}

// createRole opens the bus or creates it.
func createRole(c *child) {
	c.Say("ready", nil)
	c.await("go")
	b, made, err := bus.OpenOrCreate(c.Bus, c.Creation.options()...)
	c.Check(err)
	defer b.Close()
	c.Say("done", report{Made: made, Index: b.ShmID()})
	<-c.Context().Done()
}

// recreateRole creates and removes the bus until it is killed.
func recreateRole(c *child) {
	c.Say("ready", nil)
	for !c.Told("stop") {
		b, err := bus.Create(c.Bus, c.Creation.options()...)
		c.Check(err)
		b.Close()
		c.Check(bus.Remove(c.Bus))
	}
}

// makeRole creates the bus between the marks 1 and 2.
func makeRole(c *child) {
	mark(1)
	b, err := bus.Create(c.Bus, bus.WithSlots(64))
	mark(2)
	c.Check(err)
	c.Check(b.Close())
}

// removeRole removes the bus between the marks 1 and 2.
func removeRole(c *child) {
	mark(1)
	err := bus.Remove(c.Bus)
	mark(2)
	c.Check(err)
}

// reopenRole opens the bus or creates it, and reports the error.
func reopenRole(c *child) {
	b, _, err := bus.OpenOrCreate(c.Bus, bus.WithSlots(64))
	c.Say("outcome", outcome(err))
	if err == nil {
		c.Check(b.Close())
	}
	<-c.Context().Done()
}
