package bus

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"shmbus/internal/fault"
	"shmbus/internal/fence"
	"shmbus/internal/sleep"
	"shmbus/layout"
	"shmbus/ring"
)

const (
	// roomSlice is how long a publisher that waits for room sleeps at most before it asks again
	// whether the one it waits for is alive.
	roomSlice = 2 * time.Millisecond
	// roomGather is how long, in pauses, a publisher that found little room lets it grow. At the
	// edge of a full ring every look at the slowest subscriber's cursor takes its cache line away
	// from it, so looks should be few.
	roomGather = 32
	// roomSpin is how often it looks before it sleeps.
	roomSpin = 200
)

// exchangeSlow publishes the filled slot after Exchange could not: it looks at the gates, and waits
// for room as this publisher is told to.
func (p *Publisher) exchangeSlow(ctx context.Context, info layout.FrameInfo) error {
	defer p.stuck.Store(nil)
	waits := false
	tries, looks := 0, 0
	for {
		if p.ending() {
			return ErrClosed
		}
		if p.seg.Removed() {
			return ErrRemoved
		}
		// The context is looked at before the gates: who was stopped for longer than its time finds
		// the room that came meanwhile.
		ended := ctx.Err()
		looks++
		// something that should help, and does not, is tried again and again
		inVain := ended != nil && looks >= ctxEvery
		slowest, position := p.lookForRoom(!waits)
		fault.At(fault.RoomLooked)
		if slowest < 0 {
			if p.ring.Remaining() < uint64(p.seg.Map.Geometry.Slots/16) {
				for range roomGather {
					fence.Pause()
				}
				p.ring.Rescan()
			}
			switch st := p.ring.Exchange(info, p.tag); st {
			case ring.Done:
				return nil
			case ring.Corrupt:
				return fmt.Errorf("%w: the ring's entry for position %d holds what no correct "+
					"program wrote (busd doctor looks closer)", ErrCorrupt, p.ring.Next())
			}
			if inVain {
				return ended
			}
			continue
		}
		if p.releaseGates(slowest, p.ring.Next()+1, !waits) && !inVain {
			continue
		}
		if p.noWait {
			return p.isFull(slowest, position, nil)
		}
		if ended != nil {
			return p.isFull(slowest, position, ended)
		}
		if !waits {
			waits = true
			p.bus.member.BeginWait()
			atomic.AddUint64(p.seg.Pub(p.ring.Index(), layout.PubFull), 1)
		}
		tries++
		if p.pause(tries) {
			continue
		}
		if p.shared || p.pooled {
			p.stuck.Store(p.isFull(slowest, position, nil))
		}
		if err := p.sleepForRoom(ctx, slowest, position); err != nil {
			return err
		}
	}
}

// lookForRoom certifies sleepers, if that is due, and looks at the gates.
func (p *Publisher) lookForRoom(first bool) (slowest int, position uint64) {
	seg, n := p.seg, p.seg.Map.Geometry.Slots
	p.ring.CatchUp() // one that was idle certifies up to where the others are, too
	next, certified := p.ring.Next(), atomic.LoadUint64(seg.Header(layout.HeaderCertified))
	if first && next-certified >= uint64(n/4) {
		sleep.Certify(seg, next, p.ring.Index())
	}
	slowest, position = p.ring.Rescan()
	if slowest >= 0 {
		// Perhaps the slowest only sleeps, and there is nothing for it.
		sleep.Certify(seg, p.ring.Next(), p.ring.Index())
		slowest, position = p.ring.Rescan()
	}
	return slowest, position
}

// roomFor reports a [FullError] if the ring has no room for n more slots.
func (p *Publisher) roomFor(n int) error {
	for {
		slowest, position := p.lookForRoom(true)
		if slowest < 0 {
			slowest, position = p.ring.Slowest()
		}
		end := p.ring.Next() + uint64(n)
		if slowest < 0 || end <= position+uint64(p.seg.Map.Geometry.Slots) {
			return nil
		}
		if !p.releaseGates(slowest, end, true) {
			return p.isFull(slowest, position, nil)
		}
	}
}

// pause lets time pass without sleeping, and reports false when it is time to sleep.
func (p *Publisher) pause(tries int) bool {
	switch p.wait {
	case Spin:
		fence.Pause()
		// now and then the slow way, for its looks at context and liveness
		return tries%roomSpin != 0
	case Yield:
		runtime.Gosched()
		return tries%roomSpin != 0
	case Block:
		return false
	default:
		if tries > roomSpin || tries > roomSpin/64 && p.othersBlocked() {
			return false
		}
		if tries%16 == 0 {
			runtime.Gosched()
		} else {
			fence.Pause()
		}
		return true
	}
}

// othersBlocked reports whether another publisher sleeps until there is room. Then it is not worth
// to spin for long: it would only keep the processor from the subscriber that all wait for.
func (p *Publisher) othersBlocked() bool {
	for i := range (p.seg.High(layout.HeaderPubHigh, p.seg.Map.Geometry.Publishers) + 63) / 64 {
		if atomic.LoadUint64(p.seg.Header(layout.HeaderBlocked+8*i)) != 0 {
			return true
		}
	}
	return false
}

// sleepForRoom sleeps until a subscriber has moved on, but not for longer than roomSlice: the one
// that is waited for may have died or been stopped in every instant, also before it woke this
// publisher.
func (p *Publisher) sleepForRoom(ctx context.Context, slowest int, position uint64) error {
	if p.wait == Spin || p.wait == Yield {
		return nil
	}
	p.sleeper.FallAsleep()
	defer p.sleeper.WakeUp()
	if p.bus.ring.Protected(slowest, p.ring.Next()) != position || p.ending() {
		return nil
	}
	return p.sleeper.Wait(ctx, roomSlice)
}
