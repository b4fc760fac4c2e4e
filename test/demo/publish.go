//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"shmbus/bus"
)

const (
	rolePublish = "publish"
	busName     = "demo"
)

// publish is the role that samples one source, until its standard input ends.
func publish(args []string, stdin io.Reader) error {
	if len(args) != 1 {
		return usageError{errors.New("publish SOURCE")}
	}
	src, ok := sourceNamed(args[0])
	if !ok {
		return usageError{fmt.Errorf("there is no source %q", args[0])}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	b, err := bus.Open(busName, bus.WithClientName(src.name))
	if err != nil {
		return err
	}
	defer b.Close()
	p := publishing{ctx: ctx, bus: b, topics: map[string]*numbered{}, pid: os.Getpid()}
	err = p.run(src)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// publishing publishes samples on the topics that turn up.
type publishing struct {
	ctx    context.Context
	bus    *bus.Bus
	topics map[string]*numbered
	pid    int
}

// numbered is a publisher and the number of its last message.
type numbered struct {
	*bus.Publisher
	seq uint64
}

// run takes samples at the source's rate. Samples that are late are left out.
func (p *publishing) run(src source) error {
	files, gap := newProcFiles(), time.Second/time.Duration(src.rate)
	for due := time.Now(); p.ctx.Err() == nil; due = due.Add(gap) {
		if late := time.Since(due); late > 10*gap {
			due = due.Add(late)
		}
		time.Sleep(time.Until(due))
		if err := src.sample(files, p.emit); err != nil {
			return err
		}
	}
	return nil
}

func (p *publishing) emit(topic string, s sample) error {
	t := p.topics[topic]
	if t == nil {
		pub, err := p.bus.Publisher(topic, bus.Exclusive(), bus.WithTime())
		if err != nil {
			return err
		}
		t = &numbered{Publisher: pub}
		p.topics[topic] = t
	}
	t.seq++
	s.stamp(t.seq, p.pid)
	return t.Publish(p.ctx, s)
}
