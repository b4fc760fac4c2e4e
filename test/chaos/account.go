//go:build linux

package main

import (
	"fmt"
	"sync"

	"shmbus/internal/testload"
)

// accounts is what the truth says of each publisher: by its number, from 1.
type accounts struct {
	mu   sync.Mutex
	list []account
}

type account struct {
	count  uint64 // complete messages, numbers 0 to count-1
	record uint16
	topic  uint16
}

// publish counts a complete message.
func (a *accounts) publish(s testload.Stamp, record uint16) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.list) <= int(s.Sender) {
		if len(a.list) > 1<<22 {
			return fmt.Errorf("a message of publisher %d, which there never was", s.Sender)
		}
		a.list = append(a.list, account{})
	}
	p := &a.list[s.Sender]
	switch {
	case s.Number != p.count:
		return fmt.Errorf("publisher %d, record %d: number %d is published, expected %d", s.Sender, record, s.Number, p.count)
	case p.count == 0:
		p.record, p.topic = record, s.Tag
	case p.topic != s.Tag || exclusive(s.Sender) && p.record != record:
		return fmt.Errorf("publisher %d moved from record %d, topic %d to record %d, topic %d", s.Sender, p.record, p.topic, record, s.Tag)
	}
	p.count++
	return nil
}

func (a *accounts) count(publisher uint32) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if int(publisher) >= len(a.list) {
		return 0
	}
	return a.list[publisher].count
}

// settle compares what a publisher noted with what it published. It is gone, and the truth has
// passed the head that there was then.
func (a *accounts) settle(publisher uint32, begun, acked uint64) error {
	switch n := a.count(publisher); {
	case n < acked:
		return fmt.Errorf("publisher %d: %d messages were acknowledged, %d published", publisher, acked, n)
	case n > begun:
		return fmt.Errorf("publisher %d: %d messages are published, only %d begun (%d acknowledged)", publisher, n, begun, acked)
	}
	return nil
}
