package bus

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"shmbus/internal/fault"
	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/ring"
)

const (
	// lookEvery is the time between two checks of a publisher at a full ring. It checks whether the
	// subscriber for which it waits is alive, which is a system call, and whether any subscriber's
	// patience is over.
	lookEvery = time.Millisecond
	// lookMost is the most that the time between two looks counts against a subscription's
	// patience. A publisher that waits looks more often. In the rest of a longer time it has seen
	// nothing: it was stopped, perhaps together with the subscriber, or the machine was suspended.
	// Between two calls the limit is an eighth of the patience, if that is more, because a
	// publisher that does not wait looks only when it is called.
	lookMost = 10 * time.Millisecond
)

// A stall is what a publisher last saw of a subscription that kept it from publishing.
type stall struct {
	gate     layout.Gate
	position uint64        // the position that it protected
	lasts    time.Duration // the time for which it was seen to protect that position
}

// stalls is what a publisher remembers, across its calls, of the subscriptions that keep it from
// publishing. The patience of a subscription is over when this publisher has seen it protect one
// position for that long and could not publish meanwhile. If the position moves, or the record gets
// another gate, the measurement starts again.
//
// Observations of other publishers do not count: the segment has no room for them. So with many
// publishers, a subscription that does not move is cut off by the first one that has waited for it
// for as long as its policy says, and never earlier.
type stalls struct {
	looked  time.Time
	slowest int
	gate    layout.Gate // of the slowest
	of      []stall     // by subscriber, up to the highest that was seen with a patience
	full    *FullError  // the last one that was returned
}

// releaseGates opens gates that keep this publisher from position end-1 and at which it need not
// wait: the gate of the slowest subscriber, if that is dead, and the gates of all subscribers whose
// patience is over. first says that this is the first look of the call. It reports whether the
// caller should look again at once.
func (p *Publisher) releaseGates(slowest int, end uint64, first bool) bool {
	seg, r, st := p.seg, p.bus.ring, &p.stalls
	// The clock is read first: a publisher that is stopped after that counts too little time, and
	// never too much.
	now := time.Now()
	// The gate is read before the owner: if it is the gate of a later owner, then so is the owner
	// that is read.
	gate := r.Gate(slowest)
	if gate.State() != layout.GateClosed {
		return true
	}
	since := now.Sub(st.looked)
	if slowest == st.slowest && gate == st.gate && since < lookEvery {
		return false
	}
	st.looked, st.slowest, st.gate = now, slowest, gate
	if !seg.Alive(layout.Owner(atomic.LoadUint64(seg.Sub(slowest, layout.SubOwner)))) {
		r.OpenGate(slowest, gate, layout.GateOpen)
		fault.At(fault.GateOfDead)
		return true
	}
	cut := false
	r.Blockers(p.ring.Next(), end, func(h ring.Blocker) {
		if st.over(seg, h, since, first) && p.bus.member.CutGate(h.Subscriber, h.Gate,
			policyGate(atomic.LoadUint64(seg.Sub(h.Subscriber, layout.SubPolicy)))) {
			cut = true
		}
	})
	return cut
}

// over reports whether the patience of a subscription that keeps this publisher from publishing is
// over. since is how long ago the last look was.
func (st *stalls) over(seg *segment.Segment, h ring.Blocker, since time.Duration, first bool) bool {
	if policyGate(atomic.LoadUint64(seg.Sub(h.Subscriber, layout.SubPolicy))) == layout.GateOpen {
		return false
	}
	if n := h.Subscriber + 1; n > len(st.of) {
		st.of = append(st.of, make([]stall, n-len(st.of))...)
	}
	s := &st.of[h.Subscriber]
	if s.gate != h.Gate || s.position != h.Position {
		*s = stall{gate: h.Gate, position: h.Position}
		return false
	}
	patience := time.Duration(min(atomic.LoadUint64(seg.Sub(h.Subscriber, layout.SubPatience)),
		1<<62))
	most := lookMost
	if first {
		most = max(most, patience/8)
	}
	s.lasts += min(since, most)
	return s.lasts >= patience
}

// policyGate returns the state of a gate after the patience of a subscription with that policy is
// over. It returns GateOpen for a policy that has no patience.
func policyGate(policy uint64) uint32 {
	switch policy {
	case layout.PolicyEvict:
		return layout.GateEvicted
	case layout.PolicyDemote:
		return layout.GateDemoted
	}
	return layout.GateOpen
}

// isFull returns the error that names the subscription for which this publisher waits. why says why
// the publisher stops waiting; it is nil with [NoWait]. While nothing moves, isFull returns the
// same error each time, so that a publisher that drops messages does not allocate.
func (p *Publisher) isFull(slowest int, position uint64, why error) *FullError {
	seg, st := p.seg, &p.stalls
	lag, gate := p.ring.Next()-position, p.bus.ring.Gate(slowest)
	if last := st.full; last != nil && why == nil && last.Err == nil && last.Topic == p.topic &&
		last.Lag == lag && last.subscriber == slowest && last.gate == gate {
		return last
	}
	e := &FullError{Op: "publish", Bus: p.bus.name, Topic: p.topic, Lag: lag, Err: why,
		subscriber: slowest, gate: gate}
	owner := layout.Owner(atomic.LoadUint64(seg.Sub(slowest, layout.SubOwner)))
	e.Pattern = layout.CString(seg.Text(seg.Map.Subscribers.At(slowest)+layout.SubPattern,
		layout.PatternSize))
	e.Self = owner == p.bus.member.Owner
	if c := owner.Client(); c >= 0 && c < seg.Map.Geometry.Clients {
		e.Name = layout.CString(seg.Text(seg.Map.Clients.At(c)+layout.ClientName, layout.NameSize))
		e.Pid = int(atomic.LoadUint64(seg.Client(c, layout.ClientPid)))
	}
	st.full = e
	return e
}

// behind returns the error of a call whose context ended while it waited for its turn: a FullError,
// if the call that has the turn waits for room.
func (p *Publisher) behind(ctx context.Context, err error) error {
	if full := p.stuck.Load(); full != nil && ctx != nil && ctx.Err() != nil {
		return full.ending(p.topic, err)
	}
	return err
}

// ending returns the error for another call that stops waiting: a copy with its topic and its
// reason.
func (e *FullError) ending(topic string, why error) error {
	of := *e
	of.Topic, of.Err = topic, why
	return &of
}

// A FullError says that there was no room for a message, because a reliable subscriber has not read
// the message that it would overwrite. It names the subscriber that is furthest behind. errors.Is
// finds [ErrFull] in it and, if the publisher waited, what ended the wait: context.DeadlineExceeded
// or context.Canceled.
type FullError struct {
	Op         string // "publish"
	Bus, Topic string // where the message was published
	Name       string // name of the client that has the subscription
	Pid        int    // its process, in that process's own pid namespace
	Pattern    string // of the subscription
	Lag        uint64 // positions by which it is behind the newest message
	Self       bool   // the subscription belongs to the handle that publishes
	Err        error  // why the publisher waits no longer; nil with [NoWait]

	subscriber int
	gate       layout.Gate
}

func (e *FullError) Error() string {
	var t strings.Builder
	fmt.Fprintf(&t, "%s %q on bus %q: the ring is full: ", e.Op, e.Topic, e.Bus)
	who := fmt.Sprintf("%s (pid %d)", e.Name, e.Pid)
	if e.Self {
		who = fmt.Sprintf("this very process (pid %d)", e.Pid)
	}
	fmt.Fprintf(&t, "a reliable subscription to %q of %s is %d positions behind", e.Pattern, who,
		e.Lag)
	if e.Self {
		t.WriteString(" (a goroutine that publishes to its own reliable subscription and reads " +
			"it afterwards waits for itself)")
	}
	if e.Err != nil {
		fmt.Fprintf(&t, ": %v", e.Err)
	}
	return t.String()
}

func (e *FullError) Is(target error) bool { return target == ErrFull }
func (e *FullError) Unwrap() error        { return e.Err }
