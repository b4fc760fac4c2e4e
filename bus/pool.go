package bus

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"shmbus/internal/fault"
)

const (
	// poolMost is the largest number of publisher records that a handle takes for Publish without a
	// Publisher. poolShare limits that number to a quarter of the bus's table.
	poolMost  = 16
	poolShare = 4
	// poolRest is the time for which an unused record is kept.
	poolRest = time.Second
)

// A pool has the publisher records that a handle takes for [Bus.Publish] and for reservations. One
// call at a time uses a record, so the records are exclusive publishers. Before each message a
// record changes to the topic of the message.
type pool struct {
	bus  *Bus
	most int

	mu      sync.Mutex
	closed  bool
	idle    []idleRecord // in the order of their last use
	taken   int          // records for calls, idle or not
	lent    int          // records for reservations
	waiting waitQueue[grant]
	topics  map[string]int // topics that this handle has announced, and their numbers
	rest    *time.Timer    // gives back unused records; nil while none is idle
	round   int            // of rest
}

// A grant is the record that a waiting call gets, or the reason why it gets none.
type grant struct {
	*Publisher
	err error
}

type idleRecord struct {
	*Publisher
	round int // the pool's round in which it was last used
}

func (l *pool) init(b *Bus) {
	l.bus, l.most = b, min(poolMost, max(b.seg.Map.Geometry.Publishers/poolShare, 1))
	l.topics = make(map[string]int)
}

// Publish encodes v as msgpack, as [Publisher.Publish] does, and publishes it on the topic, which
// it creates if need be. It may be called by any number of goroutines, with any number of topics,
// and needs no [Publisher]: the handle keeps a few publisher records for those calls. It waits for
// reliable subscribers while the ring is full, and for a record while all are in use, until ctx
// ends.
func (b *Bus) Publish(ctx context.Context, topic string, v any) error {
	if err := alive(ctx); err != nil {
		return opError("publish", b.name, topic, err)
	}
	err := encodeApart(b.seg, v, func(frame []byte) error {
		return b.PublishRaw(ctx, topic, frame)
	})
	return opError("publish", b.name, topic, err)
}

// PublishRaw is [Bus.Publish] of bytes that are one msgpack frame already.
func (b *Bus) PublishRaw(ctx context.Context, topic string, frame []byte) error {
	return opError("publish", b.name, topic, b.pool.publish(ctx, topic, frame))
}

func (l *pool) publish(ctx context.Context, topic string, frame []byte) error {
	if err := alive(ctx); err != nil {
		return err
	}
	p, err := l.take(ctx, topic)
	if err != nil {
		return err
	}
	defer l.give(p)
	if err := p.enterAlone(); err != nil {
		return err
	}
	defer p.exit()
	fault.At(fault.PublishEntered)
	if p.topic != topic {
		id, err := l.announced(p, topic)
		if err != nil {
			return err
		}
		p.turnTo(topic, id)
	}
	return p.publishSlow(ctx, frame)
}

// announced returns the number of a topic after every subscriber knows the topic or will look for
// new topics.
func (l *pool) announced(p *Publisher, topic string) (int, error) {
	l.mu.Lock()
	id, ok := l.topics[topic]
	l.mu.Unlock()
	if ok {
		return id, nil
	}
	if err := CheckTopic(topic); err != nil {
		return 0, err
	}
	b := l.bus
	id, err := b.topics.Open(topic, b.member.Owner)
	if err != nil {
		return 0, explainFull(b.seg, err)
	}
	if err := p.announce(id); err != nil {
		return 0, err
	}
	l.mu.Lock()
	l.topics[strings.Clone(topic)] = id
	l.mu.Unlock()
	return id, nil
}

// take returns a record for one call, if possible one that has the topic already. While all are in
// use it waits for one; calls are served in the order in which they came.
func (l *pool) take(ctx context.Context, topic string) (*Publisher, error) {
	l.mu.Lock()
	p := l.pick(topic)
	l.mu.Unlock()
	if p != nil {
		return p, nil
	}
	// The context is code of the caller, which may panic: call it before the mutex and the queue.
	done := ctx.Done()
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, ErrClosed
	}
	if p := l.pick(topic); p != nil {
		l.mu.Unlock()
		return p, nil
	}
	if err := CheckTopic(topic); err != nil {
		l.mu.Unlock()
		return nil, err
	}
	if l.taken < l.most {
		l.taken++
		l.mu.Unlock()
		p, err := l.another()
		if err == nil {
			return p, nil
		}
		l.mu.Lock()
		// If the table is full, the call can wait for a record of the pool, but only if it has one.
		if l.taken--; l.taken == 0 || l.closed || !errors.Is(err, ErrTableFull) {
			// Without any record in the pool, calls that wait would never be served.
			for l.taken == 0 && l.waiting.serve(grant{err: err}) {
			}
			l.mu.Unlock()
			return nil, err
		}
		if p := l.pick(topic); p != nil {
			l.mu.Unlock()
			return p, nil
		}
	}
	seat := l.waiting.join()
	l.mu.Unlock()
	select {
	case g := <-seat.given:
		return g.Publisher, g.err
	case <-done:
	}
	l.mu.Lock()
	left := l.waiting.leave(seat)
	l.mu.Unlock()
	if !left {
		if g := <-seat.given; g.err == nil {
			l.give(g.Publisher)
		}
	}
	if full := l.bus.stuck(); full != nil {
		return nil, full.ending(topic, ended(ctx))
	}
	return nil, ended(ctx)
}

// stuck returns the FullError of a pool record that waits for room, or nil if none waits.
func (b *Bus) stuck() (full *FullError) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, reach := range b.users {
		if p, ok := reach().(*Publisher); ok && p.pooled {
			full = cmp.Or(full, p.stuck.Load())
		}
	}
	return full
}

// pick takes an idle record, and returns nil if there is none. The mutex is held.
func (l *pool) pick(topic string) *Publisher {
	last := len(l.idle) - 1
	if last < 0 {
		return nil
	}
	best := last
	for i := last; i >= 0; i-- {
		if l.idle[i].topic == topic {
			best = i
			break
		}
	}
	p := l.idle[best].Publisher
	l.idle = slices.Delete(l.idle, best, best+1)
	return p
}

// another takes one more record from the bus's table.
func (l *pool) another() (*Publisher, error) {
	b := l.bus
	if err := b.adopt(); err != nil {
		return nil, err
	}
	err := ErrRemoved
	var p *Publisher
	if !b.seg.Removed() {
		p, err = b.newRecord(publisherConfig{exclusive: true})
	}
	if err != nil {
		b.unref()
		return nil, err
	}
	p.pooled = true
	b.enrol(p.lease, func() user { return p })
	return p, nil
}

// give ends the use of a record by a call: the next call that waits gets it, or it becomes idle.
func (l *pool) give(p *Publisher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed || p.isClosed():
		l.taken--
	case !l.waiting.serve(grant{Publisher: p}):
		l.idle = append(l.idle, idleRecord{p, l.round})
		if l.rest == nil {
			l.rest = time.AfterFunc(poolRest, l.giveBack)
		}
	}
}

// giveBack gives back the records that were not used since it last ran.
func (l *pool) giveBack() {
	l.mu.Lock()
	var unused []*Publisher
	l.idle = slices.DeleteFunc(l.idle, func(r idleRecord) bool {
		if r.round < l.round {
			unused = append(unused, r.Publisher)
			return true
		}
		return false
	})
	l.taken -= len(unused)
	l.round++
	l.rest = nil
	if len(l.idle) > 0 && !l.closed {
		l.rest = time.AfterFunc(poolRest, l.giveBack)
	}
	l.mu.Unlock()
	for _, p := range unused {
		p.Close()
	}
}

// lend returns a record for a reservation of p. It returns nil if none is free, because a
// reservation does not wait: it uses a buffer instead.
func (l *pool) lend(p *Publisher) (*Publisher, error) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, ErrClosed
	}
	if l.lent == l.most {
		l.mu.Unlock()
		return nil, nil
	}
	l.lent++
	record := l.pick(p.topic)
	if record != nil {
		l.taken--
	}
	l.mu.Unlock()
	var err error
	if record == nil {
		record, err = l.another()
	}
	if err == nil {
		err = record.enterAlone()
	}
	if err != nil {
		l.mu.Lock()
		l.lent--
		l.mu.Unlock()
		if errors.Is(err, ErrTableFull) {
			err = nil
		}
		return nil, err
	}
	defer record.exit()
	record.parent = &p.lifecycle
	record.configure(publisherConfig{exclusive: true, noWait: p.noWait, time: p.stamp,
		wait: p.wait})
	if record.topic != p.topic {
		record.turnTo(p.topic, int(p.id))
	}
	record.hold()
	return record, nil
}

// putBack ends a reservation's use of a record, which is no longer held.
func (l *pool) putBack(p *Publisher) {
	p.parent = nil
	p.configure(publisherConfig{exclusive: true})
	l.mu.Lock()
	l.lent--
	keep := l.taken < l.most && !l.closed
	if keep {
		l.taken++
	}
	l.mu.Unlock()
	if keep {
		l.give(p)
	} else {
		p.Close()
	}
}

// close makes calls that wait for a record return. The records themselves are users of the handle,
// which closes them.
func (l *pool) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.rest != nil {
		l.rest.Stop()
	}
	l.idle = nil
	for l.waiting.serve(grant{err: ErrClosed}) {
	}
}
