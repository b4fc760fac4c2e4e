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
	// roomSlice is the longest sleep of a publisher that waits for room before it checks again
	// whether the subscriber for which it waits is alive.
	roomSlice = 2 * time.Millisecond
	// roomGather is the time, in pauses, for which a publisher that found little room lets the room
	// grow. At the edge of a full ring, each load of the slowest subscriber's cursor takes the
	// cache line away from that subscriber, so loads should be few.
	roomGather = 32
	// roomSpin is the number of looks before the publisher sleeps.
	roomSpin = 200
)

// exchangeSlow publishes the filled slot after Exchange could not. It looks at the gates, and waits
// for room as the options of this publisher say.
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
		// The context is checked before the gates. So a publisher that was stopped until after its
		// deadline finds room that came meanwhile.
		ended := ctx.Err()
		looks++
		// A step may report progress again and again and still make no room. After many looks an
		// ended context ends the call.
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

// lookForRoom certifies sleepers, if that is due, and looks at the gates. It returns the slowest
// subscriber that leaves no room and the position that it protects; slowest is negative if there is
// room.
func (p *Publisher) lookForRoom(first bool) (slowest int, position uint64) {
	seg, n := p.seg, p.seg.Map.Geometry.Slots
	p.ring.CatchUp() // so that an idle publisher, too, certifies up to the others' position
	next, certified := p.ring.Next(), atomic.LoadUint64(seg.Header(layout.HeaderCertified))
	if first && next-certified >= uint64(n/4) {
		sleep.Certify(seg, next, p.ring.Index())
	}
	slowest, position = p.ring.Rescan()
	if slowest >= 0 {
		// Perhaps the slowest subscriber sleeps and there is nothing for it.
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
		// Now and then exchangeSlow must check the context and the subscriber's liveness.
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

// othersBlocked reports whether another publisher sleeps until there is room. Then this publisher
// should not spin for long, because it would keep the processor from the subscriber for which both
// wait.
func (p *Publisher) othersBlocked() bool {
	for i := range (p.seg.High(layout.HeaderPubHigh, p.seg.Map.Geometry.Publishers) + 63) / 64 {
		if atomic.LoadUint64(p.seg.Header(layout.HeaderBlocked+8*i)) != 0 {
			return true
		}
	}
	return false
}

// sleepForRoom sleeps until a subscriber has moved on, but not for longer than roomSlice: the
// subscriber may die or be stopped at any moment, also before it wakes this publisher.
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
