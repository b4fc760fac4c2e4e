package bus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"shmbus/internal/fault"
	"shmbus/internal/fence"
	"shmbus/internal/segment"
	"shmbus/internal/sleep"
	"shmbus/layout"
	"shmbus/ring"
)

// publishSlow publishes a frame of any size, with or without a time.
func (p *Publisher) publishSlow(ctx context.Context, frame []byte) error {
	n := len(frame)
	switch limit := p.seg.Map.Geometry.MaxFrame; {
	case p.held == lent:
		return ErrBusy
	case n == 0:
		return fmt.Errorf("%w: a frame has at least one byte", ErrInvalid)
	case n > limit:
		return tooLarge(p.seg, n)
	case n > p.room:
		return p.publishFragments(ctx, frame)
	}
	p.ring.Fill(0, frame)
	return p.publishFilled(ctx, n)
}

// publishFilled publishes a frame of n bytes that is in the slot already. The slot has room for the
// time as well.
func (p *Publisher) publishFilled(ctx context.Context, n int) error {
	info := p.whole | layout.FrameInfo(n)
	if p.stamp {
		p.fillTime(n)
		info += layout.TimeSize
	}
	if st := p.ring.Exchange(info, p.tag); st != ring.Done {
		if err := p.exchangeSlow(ctx, info); err != nil {
			return err
		}
	}
	return p.published(n)
}

func (p *Publisher) fillTime(off int) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(time.Now().UnixNano()))
	p.ring.Fill(off, b[:])
}

// publishFragments publishes a frame that takes several slots. If it fails on the way, all
// subscribers drop the fragments that were published.
func (p *Publisher) publishFragments(ctx context.Context, frame []byte) error {
	g := p.seg.Map.Geometry
	payload := g.SlotPayload()
	size := len(frame)
	if p.stamp {
		size += layout.TimeSize
	}
	if p.noWait {
		if err := p.roomFor(g.Fragments(size)); err != nil {
			return err
		}
	}
	flags := p.whole.Flags() &^ layout.FlagLast
	rest := frame
	for i := 0; ; i++ {
		p.ring.FillWord(0, uint64(i)<<32|uint64(size))
		n := min(len(rest), payload-layout.FragmentPrefix)
		p.ring.Fill(layout.FragmentPrefix, rest[:n])
		rest = rest[n:]
		fill := layout.FragmentPrefix + n
		if len(rest) == 0 && (!p.stamp || fill+layout.TimeSize <= payload) {
			if p.stamp {
				p.fillTime(fill)
				fill += layout.TimeSize
			}
			flags |= layout.FlagLast
		}
		info := layout.MakeFrameInfo(fill, flags, p.whole.Publisher(), p.id)
		if p.ring.Exchange(info, p.tag) != ring.Done {
			if err := p.exchangeSlow(ctx, info); err != nil {
				return err
			}
		}
		if flags&layout.FlagLast != 0 {
			break
		}
		fault.At(fault.PublishFragment)
		// Each fragment wakes as well: no sleeper may be certified past the beginning of a frame
		// that it wants, and a subscriber that is awake can begin to read it.
		p.wakeInterested(p.ring.Next() - 1) // the last fragment returns the error again
		flags &^= layout.FlagFirst
	}
	return p.published(len(frame))
}

// waitToExchange waits for room and publishes a frame of n bytes that is in the slot already. It
// ends the call.
func (p *Publisher) waitToExchange(ctx context.Context, info layout.FrameInfo, n int) error {
	defer p.exit() // a context may panic: it is code of the caller
	if err := p.exchangeSlow(ctx, info); err != nil {
		return p.fail("publish", err)
	}
	return p.published(n)
}

// published counts the message just published and wakes the sleepers that want it.
func (p *Publisher) published(n int) error {
	p.count(1, n)
	err := p.wakeInterested(p.ring.Next() - 1)
	fault.At(fault.PublishDone)
	return err
}

// count adds to the counters in the record, which only this publisher writes. It keeps no copy of
// them: no load or store after step 4 can begin before that step has ended, so each costs time.
func (p *Publisher) count(messages, bytes int) {
	c := p.counts
	fence.Store(&c[0], c[0]+uint64(messages))
	fence.Store(&c[1], c[1]+uint64(bytes))
	fault.At(fault.PublishCounted)
}

// wakeInterested wakes the sleepers that want a message of this publisher at position from or
// later. It loads one word of sleepers for every 64 subscriptions that there ever were. The
// compare-and-swap of step 4 keeps these loads after it. The error is a [WakeupError].
func (p *Publisher) wakeInterested(from uint64) error {
	high := (atomic.LoadUint64(p.subHigh) + 63) / 64
	for i := range p.sleepers {
		if uint64(i) >= high {
			break
		}
		set := atomic.LoadUint64(&p.sleepers[i])
		if set == 0 {
			continue
		}
		if set &= atomic.LoadUint64(&p.interest[i]); set != 0 && sleep.AnyToWake(p.seg, i, set) {
			// A sleeper that is woken then resumes at from, and not at the position where it fell
			// asleep.
			certified := sleep.Certify(p.seg, from, p.ring.Index())
			if err := errors.Join(sleep.WakeTopic(p.seg, int(p.id)), certified); err != nil {
				return &WakeupError{err}
			}
			break
		}
	}
	return nil
}

// tooLarge returns the error for a frame of at least n bytes.
func tooLarge(s *segment.Segment, n int) error {
	g := s.Map.Geometry
	e := &TooLargeError{Size: n, Max: g.MaxFrame}
	if e.Max == g.Carries() {
		e.Slots, e.SlotSize = g.Slots, g.SlotSize
	}
	return e
}
