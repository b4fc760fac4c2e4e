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
	// lookEvery is how often a publisher at a full ring asks whether the one that it waits for is
	// alive, and whether anybody's patience is over: the first is a system call.
	lookEvery = time.Millisecond
	// lookMost is how much of the time between two looks counts against a subscription's patience
	// at most. A publisher that waits looks more often; what is beyond that nobody has seen: it was
	// stopped, perhaps together with the subscriber, or the machine was suspended. Between two
	// calls it is an eighth of the patience, if that is more: who calls now and then looks as
	// seldom.
	lookMost = 10 * time.Millisecond
)

// A stall is a subscription that has kept this publisher from publishing, as it was seen last.
type stall struct {
	gate     layout.Gate
	position uint64        // that it protected
	lasts    time.Duration // for how long it has been seen there
}

// stalls is what a publisher remembers, across its calls, of the subscriptions that keep it from
// publishing. A subscription's patience is over when it was seen to protect one position for that
// long while this publisher could not publish because of it. Any move, and any other gate of the
// record, begins anew. No other publisher's observations count: the segment has no room for them.
// So with many publishers a subscription is cut off by the first that has waited for it, without a
// move, for as long as its policy says, and never earlier.
type stalls struct {
	looked  time.Time
	slowest int
	gate    layout.Gate // of the slowest
	of      []stall     // by subscriber, up to the last that was seen with patience
	full    *FullError  // the last that was returned
}

// releaseGates opens gates that keep this publisher from position end-1 and that it need not wait
// at: that of the slowest subscriber, if it is dead, and those of all whose patience is over. first
// says that it is this call's first look. It reports whether it is worth looking again at once.
func (p *Publisher) releaseGates(slowest int, end uint64, first bool) bool {
	seg, r, st := p.seg, p.bus.ring, &p.stalls
	// The clock first: a publisher that is stopped behind it counts too little and not too much.
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

// policyGate returns the state that a gate gets when the patience of a subscription with that
// policy is over; GateOpen for policies without.
func policyGate(policy uint64) uint32 {
	switch policy {
	case layout.PolicyEvict:
		return layout.GateEvicted
	case layout.PolicyDemote:
		return layout.GateDemoted
	}
	return layout.GateOpen
}

// isFull returns the error that says whom this publisher waits for in vain, and why it does not
// wait on: nil if it has [NoWait]. While nothing moves it is the same error each time, so that a
// publisher that drops what it cannot publish does not allocate.
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

// behind returns the error of a call whose context ended while it waited for the publisher: a
// FullError, if the call that it waited for waits for room.
func (p *Publisher) behind(ctx context.Context, err error) error {
	if full := p.stuck.Load(); full != nil && ctx != nil && ctx.Err() != nil {
		return full.ending(p.topic, err)
	}
	return err
}

// ending returns the error of a call that waits no longer.
func (e *FullError) ending(topic string, why error) error {
	of := *e
	of.Topic, of.Err = topic, why
	return &of
}

// A FullError says that there was no room for a message because a reliable subscriber has not read
// what it would overwrite, and which one: the one that is furthest behind. errors.Is finds
// [ErrFull] in it and, if the publisher waited, what ended the wait: context.DeadlineExceeded or
// context.Canceled.
type FullError struct {
	Op         string // "publish"
	Bus, Topic string // that was published on
	Name       string // of the client whose subscription it is
	Pid        int    // its process, in that process's own pid namespace
	Pattern    string // of the subscription
	Lag        uint64 // positions by which it is behind the newest message
	Self       bool   // it is a subscription of the very handle that publishes
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
