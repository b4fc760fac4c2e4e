package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"shmbus/bus"
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
	c.say(report{Event: "ready", Index: p.Index()})
	c.await("go")
	var seq uint64
	for (c.Count == 0 || seq < c.Count) && !c.halt.Load() {
		n, err := c.publishSome(p, seq)
		if c.ctx.Err() != nil {
			return
		} else if err != nil {
			c.fault("publish: %v", err)
		}
		seq += n
		if c.Pace > 0 {
			time.Sleep(c.Pace)
		}
	}
	c.say(report{Event: "done", Count: seq})
	<-c.ctx.Done()
}

var frameBuffer []byte

// publish publishes message seq, every fourth in place.
func (c *child) publish(p *bus.Publisher, seq uint64) error {
	n := sizeOf(c.ID, seq, c.Min, c.Max)
	if seq%4 == 3 {
		r, err := p.Reserve(n)
		if err != nil {
			return err
		}
		fillFrame(r.Bytes(), c.ID, seq)
		return r.Commit(c.ctx)
	}
	if cap(frameBuffer) < n {
		frameBuffer = make([]byte, max(n, c.Max))
	}
	b := frameBuffer[:n]
	fillFrame(b, c.ID, seq)
	return p.PublishRaw(c.ctx, b)
}

// publishSome publishes message seq, or a batch that begins with it, and returns how many that were.
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
		b := make([]byte, sizeOf(c.ID, seq+i, c.Min, c.Max))
		fillFrame(b, c.ID, seq+i)
		frames = append(frames, b)
	}
	n, err := p.PublishBatch(c.ctx, frames)
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
	c.say(report{Event: "ready", Position: s.Position()})
	c.await("go")
	batch := make([]bus.Message, max(c.Batch, 1))
	receive := func() (int, error) {
		if c.Batch > 1 {
			return s.ReceiveBatch(c.ctx, batch)
		}
		return 1, s.Receive(c.ctx, &batch[0])
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
					c.fault("%v", err)
				}
				if m.Topic == endTopic {
					c.say(l.report("end"))
				}
			}
		case errors.As(err, &evicted):
			if _, again := receive(); !errors.Is(again, bus.ErrEvicted) {
				c.fault("after an eviction: %v", again)
			}
			r := l.report("evicted")
			r.From, r.To, r.Lost = evicted.Loss.From, evicted.Loss.To, evicted.Loss.Count
			c.say(r)
			<-c.ctx.Done()
			return
		case errors.As(err, &loss):
			if err := l.lose(loss); err != nil {
				c.fault("%v", err)
			}
			c.say(report{Event: "loss", From: loss.From, To: loss.To, Lost: loss.Count})
		case errors.Is(err, bus.ErrRemoved):
			c.say(l.report("removed"))
			<-c.ctx.Done()
			return
		case c.ctx.Err() != nil:
			return
		default:
			c.fault("receive: %v", err)
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
		s, err := b.Subscribe(fmt.Sprintf("%s.%d.%d", c.Topic, c.ID, i), bus.WaitWith(c.Wait))
		c.check(err)
		go func() {
			for {
				m, err := s.Next(c.ctx)
				if err != nil {
					done <- err
					return
				}
				c.say(report{Event: "woke", Index: i, Position: m.Position})
			}
		}()
	}
	c.say(report{Event: "ready"})
	for range c.Subs {
		if err := <-done; c.ctx.Err() == nil {
			c.fault("a sleeper got: %v", err)
		}
	}
}

// echoRole answers every message on ping with one on pong.
func echoRole(c *child) {
	b := c.open()
	defer b.Close()
	s := c.subscribe(b)
	p, err := b.Publisher("pong", bus.WaitBy(c.Wait))
	c.check(err)
	c.say(report{Event: "ready"})
	for {
		m, err := s.Next(c.ctx)
		if c.ctx.Err() != nil {
			return
		}
		c.check(err)
		c.check(p.PublishRaw(c.ctx, m.Raw))
	}
}

// onceRole publishes one message and kills itself.
func onceRole(c *child) {
	b := c.open()
	p := c.publisher(b)
	frame := make([]byte, c.Min)
	fillFrame(frame, c.ID, 0)
	c.say(report{Event: "ready"})
	c.await("go")
	if p.PublishRaw(context.Background(), frame) == nil {
		unix.Kill(os.Getpid(), unix.SIGKILL)
	}
	c.fault("still there")
}

// watchRole listens for deaths and reports them.
func watchRole(c *child) {
	b := c.open()
	defer b.Close()
	c.say(report{Event: "ready"})
	err := b.WatchDeaths(c.ctx, func(d bus.Death) { c.say(report{Event: "death", Pid: d.Pid, Clock: clock()}) })
	if c.ctx.Err() == nil {
		c.fault("watch: %v", err)
	}
}

// clock returns the nanoseconds of a clock that all processes share.
func clock() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic(err)
	}
	return now.Nano()
}

// waitRole waits for a message, or, with a Count, publishes until it has to wait for room, and reports the error
// with which that ends.
func waitRole(c *child) {
	b := c.open()
	defer b.Close()
	if c.Count == 0 {
		s := c.subscribe(b)
		c.say(report{Event: "ready"})
		_, err := s.Next(c.ctx)
		for errors.Is(err, bus.ErrLost) {
			_, err = s.Next(c.ctx)
		}
		c.say(outcome(err))
	} else {
		p := c.publisher(b)
		c.say(report{Event: "ready"})
		var err error
		for i := uint64(0); err == nil; i++ {
			err = c.publish(p, i)
		}
		c.say(outcome(err))
	}
	<-c.ctx.Done()
}

// outcome reports which of the errors for errors.Is this is.
func outcome(err error) report {
	r := report{Event: "outcome"}
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
	c.say(report{Event: "ready"})
	c.await("go")
	b, made, err := bus.OpenOrCreate(c.Bus, c.Creation.options()...)
	c.check(err)
	defer b.Close()
	c.say(report{Event: "done", Made: made, Index: b.ShmID()})
	<-c.ctx.Done()
}

// recreateRole creates and removes the bus until it is killed.
func recreateRole(c *child) {
	c.say(report{Event: "ready"})
	for !c.halt.Load() {
		b, err := bus.Create(c.Bus, c.Creation.options()...)
		c.check(err)
		b.Close()
		c.check(bus.Remove(c.Bus))
	}
}

// makeRole creates the bus between the marks 1 and 2.
func makeRole(c *child) {
	mark(1)
	b, err := bus.Create(c.Bus, bus.WithSlots(64))
	mark(2)
	c.check(err)
	c.check(b.Close())
}

// removeRole removes the bus between the marks 1 and 2.
func removeRole(c *child) {
	mark(1)
	err := bus.Remove(c.Bus)
	mark(2)
	c.check(err)
}

// reopenRole opens the bus or creates it, and reports the error.
func reopenRole(c *child) {
	b, _, err := bus.OpenOrCreate(c.Bus, bus.WithSlots(64))
	c.say(outcome(err))
	if err == nil {
		c.check(b.Close())
	}
	<-c.ctx.Done()
}
