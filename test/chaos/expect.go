//go:build linux

package main

import "fmt"

// maxRecords bounds the publisher records of a bus of chaos.
const maxRecords = 40

// An answer is to a question that the events so far do not always decide.
type answer uint8

const (
	no answer = iota
	maybe
	yes
)

// A partial is what a subscription has of an unfinished frame of one publisher record.
type partial struct {
	first uint64 // the frame's first position
	from  uint64 // the first position that was consumed and has not delivered anything
	count uint64 // such positions
	next  uint32 // the fragment due
	whole bool   // all fragments so far
	hit   answer // were positions lost since it began

	// The first so many of count may have been settled without a word, of which nothing that is
	// certain tells; the others begin at since.
	doubt, since uint64
}

// is reports whether a loss of count positions from on is one of what is there.
func (o *partial) is(from, count uint64) bool {
	return count > 0 && (o.from == from && o.count == count || o.doubt > 0 && o.since == from && o.count-o.doubt == count)
}

// An expectation is what a subscription must say next, given what it has said so far and the truth.
// It follows the promises of package bus: one order, nothing missing, and every position that a
// subscription wanted delivered, lost, or part of a frame that its publisher gave up.
type expectation struct {
	truth *truth
	wish  wish
	slots uint64 // of the ring

	policy  string
	next    uint64 // all below is dealt with
	promise uint64 // a reliable subscription may not lose what is from here on
	lossy   bool   // something was lost
	over    bool
	open    [maxRecords]partial

	received, lost uint64
	losses         int
}

func newExpectation(t *truth, w wish, policy string, slots int) *expectation {
	return &expectation{truth: t, wish: w, policy: policy, slots: uint64(slots)}
}

// needs returns how far the truth must have come before the event can be judged.
func (x *expectation) needs(e event) uint64 {
	switch e.kind {
	case evDeliver:
		return e.a + 1
	case evLoss, evEvicted:
		return max(e.b, e.d)
	case evStart, evEnd:
		return e.a
	}
	return 0
}

// take judges an event of the subscription.
func (x *expectation) take(e event) error {
	if x.over && e.kind != evEnd {
		return fmt.Errorf("event %+v after the end", e)
	}
	switch e.kind {
	case evStart:
		x.next, x.promise = e.a, e.b
		if x.policy == "lossy" {
			x.promise = ^uint64(0)
		}
		return nil
	case evDeliver:
		return x.deliver(e.a, uint32(e.b>>32), uint32(e.b), uint16(e.c>>32), uint8(e.c))
	case evLoss:
		return x.lose(e)
	case evEvicted:
		return x.evicted(e)
	case evEnd:
		return x.end(e)
	}
	return fmt.Errorf("unknown event %+v", e)
}

// A choice is what a subscription may do at a position.
type choice struct {
	silent  bool    // go past it and say nothing
	deliver bool    // deliver the message that ends here
	before  partial // report this as lost before it takes the position, if its count is not zero
	at      partial // report this as lost, the position included
	must    bool    // before is not optional
}

// choices says what is right at position p, which is x.next.
func (x *expectation) choices(p uint64) choice {
	f := x.truth.at(p)
	if !x.wish[f.topic] {
		return choice{silent: true}
	}
	o := &x.open[f.record]
	if f.begins() {
		c := choice{silent: !f.whole(), deliver: f.whole()}
		if owed := x.owed(o); owed != no {
			c.before, c.must = *o, owed == yes
		}
		return c
	}
	if o.whole && o.count > 0 && o.first == f.first && o.next == f.part {
		if !f.ends() {
			return choice{silent: true}
		}
		c := choice{deliver: true}
		if o.hit != no {
			c.at = *o
			c.at.count++
		}
		return c
	}
	if !f.ends() {
		return choice{silent: true}
	}
	after := x.broken(o, p)
	if after.count == 0 {
		return choice{silent: true}
	}
	return choice{at: after}
}

// owed says whether what is there of an unfinished frame is lost, should the frame not go on: if no
// position was lost since it began, its publisher gave it up.
func (x *expectation) owed(o *partial) answer {
	switch {
	case o.count == 0:
		return no
	case o.whole && o.hit == no:
		return no
	case o.doubt == o.count:
		return maybe
	case !o.whole:
		return yes
	}
	return o.hit
}

// broken returns what o becomes with a fragment at p that does not continue it.
func (x *expectation) broken(o *partial, p uint64) partial {
	n := partial{}
	if owed := x.owed(o); owed != no {
		n.from, n.count, n.doubt, n.since = o.from, o.count, o.doubt, o.since
		if owed == maybe {
			n.doubt = n.count
		}
	}
	if x.lossy {
		if n.count == 0 {
			n.from = p
		}
		if n.count == n.doubt {
			n.since = p
		}
		n.count++
	}
	return n
}

// pass takes position x.next without delivering it.
func (x *expectation) pass() {
	p := x.next
	f := x.truth.at(p)
	x.next++
	if !x.wish[f.topic] {
		return
	}
	o := &x.open[f.record]
	switch {
	case f.whole():
		*o = partial{}
	case f.begins():
		*o = partial{first: p, from: p, count: 1, next: 1, whole: true}
	case o.whole && o.count > 0 && o.first == f.first && o.next == f.part:
		o.count++
		o.next++
	default:
		*o = x.broken(o, p)
	}
	if f.ends() {
		*o = partial{}
	}
}

// passTo takes all positions below p, at which there must be nothing to say.
func (x *expectation) passTo(p uint64) error {
	if p < x.next {
		return fmt.Errorf("position %d again or out of order: all below %d was dealt with", p, x.next)
	}
	for x.next < p {
		c := x.choices(x.next)
		switch {
		case c.before.count > 0 && c.must:
			return fmt.Errorf("a loss of %d positions from %d on was not reported before position %d", c.before.count, c.before.from, x.next)
		case !c.silent && c.deliver:
			return fmt.Errorf("the message at position %d is missing (%v)", x.next, x.truth.at(x.next))
		case !c.silent:
			return fmt.Errorf("a loss of %d positions from %d to %d was not reported", c.at.count, c.at.from, x.next+1)
		}
		x.pass()
	}
	return nil
}

func (x *expectation) deliver(p uint64, publisher, number uint32, record uint16, topic uint8) error {
	if err := x.passTo(p); err != nil {
		return fmt.Errorf("delivery of position %d: %w", p, err)
	}
	f, c := x.truth.at(p), x.choices(p)
	switch {
	case f.publisher != publisher || f.number != number:
		return fmt.Errorf("position %d holds publisher %d number %d for this subscription; it is %v", p, publisher, number, f)
	case f.record != record || f.topic != topic:
		return fmt.Errorf("position %d came from record %d on topic %d; it is %v", p, record, topic, f)
	case c.before.count > 0 && c.must:
		return fmt.Errorf("a loss of %d positions from %d on was not reported before position %d", c.before.count, c.before.from, p)
	case !c.deliver:
		return fmt.Errorf("position %d was delivered, which was not to be (%v; of its frame there is %+v)", p, f, x.open[f.record])
	}
	x.pass()
	x.received++
	return nil
}

// lose judges a loss, which is of one of two kinds: positions that were overwritten, all from where
// the subscription is to where it goes on; or consumed fragments of a frame of which others were
// lost.
func (x *expectation) lose(e event) error {
	from, to, count, head := e.a, e.b, e.c, e.d
	x.losses++
	x.lost += count
	lapped := x.isLap(from, to, count, head) == nil
	if debt := x.findDebt(from, to, count); debt != nil {
		*x = *debt
		if lapped {
			// It may have been the other kind.
			x.hitAll(maybe)
		}
		return nil
	}
	if err := x.isLap(from, to, count, head); err != nil {
		return fmt.Errorf("loss of %d positions from %d to %d: %w", count, from, to, err)
	}
	switch {
	case x.policy == "evict" && to > x.promise:
		return fmt.Errorf("loss of %d positions from %d to %d by a subscription that is to be evicted instead", count, from, to)
	case x.policy == "reliable" && to > x.promise:
		return fmt.Errorf("a reliable subscription lost %d positions from %d to %d", count, from, to)
	}
	return x.lap(from, to)
}

// isLap says why positions cannot have been overwritten.
func (x *expectation) isLap(from, to, count, head uint64) error {
	switch {
	case from < x.next:
		return fmt.Errorf("all below %d was dealt with", x.next)
	case to <= from || count != to-from:
		return fmt.Errorf("the numbers do not agree")
	case head < from+x.slots:
		return fmt.Errorf("nothing was overwritten: the head was %d, of %d slots", head, x.slots)
	case to > head:
		return fmt.Errorf("the head was %d", head)
	}
	return nil
}

func (x *expectation) lap(from, to uint64) error {
	if err := x.passTo(from); err != nil {
		return fmt.Errorf("loss of %d to %d: %w", from, to, err)
	}
	x.lossy = true
	// A message that was seen in place before it was overwritten has told that the frame before it
	// was given up.
	f := x.truth.at(from)
	if o := &x.open[f.record]; f.begins() && x.wish[f.topic] && o.whole && o.hit != yes {
		o.doubt = o.count
	}
	x.hitAll(yes)
	x.next = to
	return nil
}

func (x *expectation) hitAll(a answer) {
	for i := range x.open {
		x.open[i].hit = max(x.open[i].hit, a)
	}
}

// findDebt returns the expectation behind a loss of consumed fragments, nil if it was none.
func (x *expectation) findDebt(from, to, count uint64) *expectation {
	if !x.lossy || to > x.truth.head.Load() || to < x.next || x.next < x.truth.oldest() {
		return nil
	}
	y := *x
	for y.next <= to && y.next < y.truth.head.Load() {
		c := y.choices(y.next)
		switch {
		case y.next == to && c.before.is(from, count):
			y.open[y.truth.at(y.next).record] = partial{}
			return &y
		case y.next+1 == to && c.at.is(from, count):
			y.pass()
			return &y
		case !c.silent || c.must:
			return nil
		}
		y.pass()
	}
	return nil
}

func (x *expectation) evicted(e event) error {
	if x.policy != "evict" {
		return fmt.Errorf("evicted, with policy %s", x.policy)
	}
	x.over = true
	if e.c == 0 && e.a == e.b {
		return x.passTo(e.a)
	}
	x.lost += e.c
	x.losses++
	if err := x.isLap(e.a, e.b, e.c, e.d); err != nil {
		return fmt.Errorf("eviction with a loss of %d positions from %d to %d: %w", e.c, e.a, e.b, err)
	}
	return x.lap(e.a, e.b)
}

func (x *expectation) end(e event) error {
	if !x.over {
		if err := x.passTo(e.a); err != nil {
			return fmt.Errorf("at the end, position %d: %w", e.a, err)
		}
	}
	x.over = true
	if e.b != x.received || e.c != x.lost {
		return fmt.Errorf("the subscription counted %d received and %d lost, its log has %d and %d", e.b, e.c, x.received, x.lost)
	}
	return nil
}

// overdue returns the position below limit of which the subscription should have said something.
func (x *expectation) overdue(limit uint64) error {
	if x.over || x.next >= limit {
		return nil
	}
	y := *x
	return y.passTo(limit)
}

// forget lets the expectation go past what the truth has forgotten, if there is nothing to say.
func (x *expectation) forget() error {
	if o := x.truth.oldest(); !x.over && x.next < o && x.truth.head.Load() > o {
		return x.passTo(o)
	}
	return nil
}
