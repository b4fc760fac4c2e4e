package inspect

import (
	"fmt"
	"math/bits"
	"sync/atomic"

	"shmbus/internal/segment"
	"shmbus/internal/topics"
	"shmbus/layout"
	"shmbus/ring"
)

// A Damage is a value in a segment that no correct program wrote. Some damage disappears by itself:
// a damaged message, for example, when it is overwritten.
type Damage struct {
	Where string // the part of the segment: "entry 7", "publisher 3", "topic 0", "header"
	Text  string // what is wrong there
	kind  string // the same for each look
}

// Same reports whether two looks found the same damage, perhaps with other numbers.
func (d Damage) Same(other Damage) bool { return d.Where == other.Where && d.kind == other.kind }

func (d Damage) String() string { return d.Where + ": " + d.Text }

// Examine looks for damage in the bus whose segment has the given identifier. If the bus is in use,
// one look may combine values of two moments, or see a process that was stopped between two steps.
// So only what several looks find, some time apart, is damage. Examine does not find missing slots:
// see [Audit].
func Examine(shmid int) (found []Damage, err error) {
	err = attached(shmid, func(seg *segment.Segment, r *ring.Ring) {
		found = ExamineSegment(seg, r)
	})
	return found, err
}

// ExamineSegment is [Examine] for a segment that is attached already.
func ExamineSegment(seg *segment.Segment, r *ring.Ring) []Damage {
	e := &examination{Segment: seg, ring: r}
	e.header()
	e.clients()
	e.topics()
	e.publishers()
	e.subscribers()
	e.entries()
	e.slots()
	return e.found
}

// maxDamages is the largest number of damages that one examination reports.
const maxDamages = 1000

type examination struct {
	*segment.Segment
	ring  *ring.Ring
	found []Damage
}

func (e *examination) report(where, format string, a ...any) {
	if len(e.found) < maxDamages {
		e.found = append(e.found, Damage{where, fmt.Sprintf(format, a...), format})
	}
}

func load(w *uint64) uint64 { return atomic.LoadUint64(w) }

// ahead returns how far position p is above q; it is negative if p is below.
func ahead(p, q uint64) int64 { return int64(p - q) }

// named are the runs of header words that have a meaning. The words between them are 0.
var named = []struct{ from, words int }{
	{layout.HeaderState, 1},
	{layout.HeaderTopicVersion, 4},
	{layout.HeaderCertified, 1},
	{layout.HeaderDeaths, 5},
	{layout.HeaderSleepers, layout.MaxSubscribers / 64},
	{layout.HeaderGates, layout.MaxSubscribers / 64},
	{layout.HeaderBlocked, layout.MaxPublishers / 64},
}

func (e *examination) header() {
	if _, _, err := layout.DecodeHeader(e.Mem, len(e.Mem)); err != nil {
		e.report("header", "%v", err)
	}
	if s := load(e.Segment.Header(layout.HeaderState)); s != layout.StateLive &&
		s != layout.StateRemoved {
		e.report("header", "the state is %d, which does not exist", s)
	}
	at := layout.HeaderState
	for _, run := range append(named[:len(named):len(named)],
		struct{ from, words int }{layout.HeaderSize, 0}) {
		for ; at < run.from; at += 8 {
			if v := load(e.Word(at)); v != 0 {
				e.report("header", "the word at %d, which nobody uses, is %#x", at, v)
			}
		}
		at = run.from + 8*run.words
	}
	g := e.Map.Geometry
	for _, h := range []struct {
		field, limit int
		what         string
	}{
		{layout.HeaderClientHigh, g.Clients, "clients"},
		{layout.HeaderPubHigh, g.Publishers, "publishers"},
		{layout.HeaderSubHigh, g.Subscribers, "subscribers"},
	} {
		if v := load(e.Segment.Header(h.field)); v > uint64(h.limit) {
			e.report("header", "%d %s have ever been in use, but only %d exist", v, h.what, h.limit)
		}
	}
	certified := load(e.Segment.Header(layout.HeaderCertified))
	if head := e.ring.Head(); ahead(certified, head) > 0 {
		e.report("header", "sleepers are certified up to %d, the head is %d", certified, head)
	}
	e.strayBits("sleepers", layout.HeaderSleepers, layout.MaxSubscribers, g.Subscribers)
	e.strayBits("gates", layout.HeaderGates, layout.MaxSubscribers, g.Subscribers)
	e.strayBits("blocked publishers", layout.HeaderBlocked, layout.MaxPublishers, g.Publishers)
}

// strayBits looks for bits of records that do not exist.
func (e *examination) strayBits(what string, field, most, n int) {
	for i := n / 64; i < most/64; i++ {
		set := load(e.Word(field + 8*i))
		if i == n/64 {
			set &= ^uint64(0) << (n % 64)
		}
		if set != 0 {
			e.report("header", "the %s have a bit for number %d, of %d", what,
				64*i+bits.TrailingZeros64(set), n)
		}
	}
}

func (e *examination) clients() {
	for c := range e.Map.Geometry.Clients {
		if s := e.ClientState(c).State(); s > layout.ClientDead {
			e.report(fmt.Sprintf("client %d", c), "its state is %d, which does not exist", s)
		}
	}
}

// owner looks at a word that names a client. The state of the client is read after the word, so its
// generation is not lower.
func (e *examination) owner(where string, o layout.Owner, states ...uint16) {
	c := o.Client()
	if c < 0 || c >= e.Map.Geometry.Clients {
		e.report(where, "its owner is client %d, of %d", c, e.Map.Geometry.Clients)
		return
	}
	ok := false
	for _, s := range states {
		ok = ok || o.State() == s
	}
	if !ok {
		e.report(where, "the state of its owner word is %d", o.State())
	}
	if g := e.ClientState(c).Generation(); int32(o.Generation()-g) > 0 {
		e.report(where, "its owner is generation %d of client %d, which has reached only %d",
			o.Generation(), c, g)
	}
}

func (e *examination) topics() {
	end := false
	for t := range e.Map.Geometry.Topics {
		where := fmt.Sprintf("topic %d", t)
		o := layout.Owner(load(e.Topic(t, layout.TopicOwner)))
		if o == 0 {
			end = true
			for i, w := range e.interestOf(t) {
				if w != 0 && load(e.Topic(t, layout.TopicOwner)) == 0 {
					e.report(where, "subscriber %d wants it, and there is no such topic",
						64*i+bits.TrailingZeros64(w))
				}
			}
			continue
		}
		if end && load(e.Topic(t-1, layout.TopicOwner)) == 0 {
			e.report(where, "the record before it is free, so no program finds it")
		}
		end = false
		e.owner(where, o, layout.OwnerHeld, layout.OwnerReady)
		if o.State() != layout.OwnerReady {
			continue
		}
		if n := load(e.Topic(t, layout.TopicLength)); n == 0 || n > layout.TopicNameSize {
			e.report(where, "its name has %d bytes", n)
		} else if name := topics.Name(e.Segment, t); name == "" {
			raw := string(e.Text(e.Map.Topics.At(t)+layout.TopicName, int(n)))
			e.report(where, "its name %q is invalid, or its hash is not %#x", raw,
				load(e.Topic(t, layout.TopicHashWord)))
		}
	}
}

func (e *examination) interestOf(t int) []uint64 {
	row := e.Interest(t)
	words := make([]uint64, len(row))
	for i := range row {
		words[i] = load(&row[i])
	}
	return words
}

func (e *examination) topicReady(t uint64) bool {
	return t < uint64(e.Map.Geometry.Topics) &&
		layout.Owner(load(e.Topic(int(t), layout.TopicOwner))).State() == layout.OwnerReady
}

func (e *examination) publishers() {
	total := uint32(e.Map.Geometry.TotalSlots())
	high := e.High(layout.HeaderPubHigh, e.Map.Geometry.Publishers)
	for p := range e.Map.Geometry.Publishers {
		where := fmt.Sprintf("publisher %d", p)
		for k := range e.Map.Geometry.Owned {
			if pair := layout.Pair(load(e.Pub(p, layout.PubOwned+8*k))); pair.Mine() >= total ||
				pair.Displaced() >= total {
				e.report(where, "its pair %d names slots %d and %d, of %d", k, pair.Mine(),
					pair.Displaced(), total)
			}
		}
		intent := load(e.Pub(p, layout.PubIntent))
		if head := e.ring.Head(); intent != 0 && ahead(intent-1, head) > 0 {
			e.report(where, "it is about to publish position %d, the head is %d", intent-1, head)
		}
		blocked := load(e.Segment.Header(layout.HeaderBlocked+8*(p/64)))>>(p%64)&1 != 0
		o := layout.Owner(load(e.Pub(p, layout.PubOwner)))
		topic := load(e.Pub(p, layout.PubTopic))
		if o == 0 {
			if blocked {
				e.report(where, "nobody owns it, and it waits for room")
			}
			continue
		}
		e.owner(where, o, layout.OwnerHeld)
		if topic != 0 && !e.topicReady(topic-1) {
			e.report(where, "its topic is number %d, which does not exist", topic-1)
		}
		if topic != 0 && p >= high {
			e.report(where, "it is in use, but the high-water mark is %d", high)
		}
	}
}

func (e *examination) subscribers() {
	high := e.High(layout.HeaderSubHigh, e.Map.Geometry.Subscribers)
	for s := range e.Map.Geometry.Subscribers {
		where := fmt.Sprintf("subscriber %d", s)
		bit := func(field int) bool { return load(e.Segment.Header(field+8*(s/64)))>>(s%64)&1 != 0 }
		asleep := bit(layout.HeaderSleepers)
		w := layout.Wake(load(e.Sub(s, layout.SubWake)))
		gate := layout.Gate(load(e.Sub(s, layout.SubGate)))
		cursor := load(e.Sub(s, layout.SubCursor))
		o := layout.Owner(load(e.Sub(s, layout.SubOwner)))
		if gate.State() > layout.GateDemoted {
			e.report(where, "the state of its gate is %d, which does not exist", gate.State())
		}
		if o == 0 {
			if asleep || bit(layout.HeaderGates) || gate.State() == layout.GateClosed {
				e.report(where, "nobody owns it, and it sleeps or has a gate")
			}
			continue
		}
		e.owner(where, o, layout.OwnerHeld)
		head := e.ring.Head()
		if ahead(cursor, head) > 0 {
			e.report(where, "it reads position %d next, the head is %d", cursor, head)
		}
		if p := load(e.Sub(s, layout.SubPolicy)); p > layout.PolicyDemote {
			e.report(where, "its policy is %d, which does not exist", p)
		}
		joined := load(e.Sub(s, layout.SubMatched)) != 0
		if w.State() != layout.Awake && !w.IsNotYet() {
			// A sleeper is never certified far from its cursor.
			if p := w.Position(cursor); ahead(p, head) > 0 {
				e.report(where, "it sleeps at position %d, the head is %d", p, head)
			}
			if !asleep {
				e.report(where, "it sleeps, but its bit in the sleepers is not set")
			}
		}
		if joined && gate.State() == layout.GateClosed && !bit(layout.HeaderGates) {
			e.report(where, "its gate is closed, but its bit in the gates is not set")
		}
		if joined && s >= high {
			e.report(where, "it is in use, but the high-water mark is %d", high)
		}
	}
}

// entries looks at the laps of the entries and at the slots that they name. From one entry to the
// next, the lap falls by one at the head and changes nowhere else. The head is read before and
// after each entry. The head and the entries only increase, so an entry that fits no head between
// the two was wrong all the time.
func (e *examination) entries() {
	n := e.ring.Slots()
	shift := uint(bits.TrailingZeros64(n))
	total := uint32(e.Map.Geometry.TotalSlots())
	for i := range n {
		before := e.ring.Head()
		word := e.Word(e.Map.Entries.At(int(i)))
		w := layout.Entry(load(word))
		after := e.ring.Head()
		where := fmt.Sprintf("entry %d", i)
		if w.Slot() >= total {
			e.report(where, "it names slot %d, of %d", w.Slot(), total)
			continue
		}
		// p is first the position that has this entry in the lap of before. Then the distance of
		// the entry's lap from that lap is added.
		p := before&^(n-1) | i
		p += uint64(int64(layout.LapsAhead(w.Lap(), layout.LapOf(before, shift)))) << shift
		if ahead(p, before-n) < 0 || ahead(p, after) >= 0 {
			e.report(where, "it has lap %d, which does not fit the head, %d", w.Lap(),
				before)
			continue
		}
		if before < n && ahead(p, 0) < 0 {
			continue // never written
		}
		e.frame(where, p, w, word)
	}
}

// frame looks at the frame header in the slot of an entry.
func (e *examination) frame(where string, p uint64, w layout.Entry, word *uint64) {
	slot := e.Map.Slots.At(int(w.Slot()))
	position := load(e.Word(slot + layout.FramePosition))
	info := layout.FrameInfo(load(e.Word(slot + layout.FrameInfoOffset)))
	prefix := load(e.Word(slot + layout.FrameHeaderSize))
	if load(word) != uint64(w) || position == 0 && info == 0 {
		return // overwritten meanwhile, or of a ring that begins at a higher position
	}
	g := e.Map.Geometry
	topic := uint64(info.Topic())
	switch {
	case position != p:
		e.report(where, "its slot %d holds position %d instead of %d", w.Slot(), position, p)
	case info.Size() > g.SlotPayload():
		e.report(where, "its slot %d holds %d bytes, in %d", w.Slot(), info.Size(), g.SlotPayload())
	case int(info.Publisher()) >= g.Publishers:
		e.report(where, "its message is of publisher %d, of %d", info.Publisher(), g.Publishers)
	case !e.topicReady(topic):
		e.report(where, "its message is of topic %d, which does not exist", topic)
	case topics.Name(e.Segment, int(topic)) != "" &&
		w.Tag() != layout.TopicTag(load(e.Topic(int(topic), layout.TopicHashWord))):
		e.report(where, "it has tag %#x, which is not that of topic %d", w.Tag(), topic)
	case info.Flags()&^(layout.FlagWhole|layout.FlagTime) != 0:
		e.report(where, "its message has flags %#x", info.Flags())
	case info.Flags()&layout.FlagWhole != layout.FlagWhole &&
		(info.Size() < layout.FragmentPrefix ||
			uint32(prefix) > uint32(e.Identity.Geometry.MaxFrame+layout.TimeSize)):
		e.report(where, "it is a fragment of %d bytes of a frame of %d", info.Size(),
			uint32(prefix))
	}
}

// slots looks for slots that are in two places.
func (e *examination) slots() {
	first := make(map[uint32]place, e.Map.Geometry.TotalSlots())
	see := func(p place, slot uint32) {
		q, twice := first[slot]
		if !twice {
			first[slot] = p
		} else if e.both(q, p, slot) {
			e.report(p.where, "it holds slot %d, and so does %s", slot, q.where)
		}
	}
	for i := range e.Map.Geometry.Slots {
		p := place{where: fmt.Sprintf("entry %d", i), word: e.Word(e.Map.Entries.At(i)),
			entry: true}
		see(p, layout.Entry(load(p.word)).Slot())
	}
	for r := range e.Map.Geometry.Publishers {
		for k := range e.Map.Geometry.Owned {
			p := place{where: fmt.Sprintf("publisher %d", r), word: e.Pub(r, layout.PubOwned+8*k),
				intent: e.Pub(r, layout.PubIntent)}
			if pair := layout.Pair(load(p.word)); pair.IsSettled() {
				see(p, pair.Mine())
			}
		}
	}
}

// A place is where a slot can be: an entry or a settled pair.
type place struct {
	where  string
	word   *uint64
	intent *uint64
	entry  bool
}

func (p place) holds(slot uint32) (mark [2]uint64, ok bool) {
	w := load(p.word)
	if p.entry {
		return [2]uint64{w}, layout.Entry(w).Slot() == slot
	}
	pair := layout.Pair(w)
	return [2]uint64{w, load(p.intent)}, pair.IsSettled() && pair.Mine() == slot
}

// both reports whether a slot is in two places at the same time. It is, if the first place holds
// the slot before and after the second place is read, and has not changed in between. A change
// shows: an entry never has the same word again, and a record that has published has another
// intent.
func (e *examination) both(q, p place, slot uint32) bool {
	before, ok1 := q.holds(slot)
	_, ok2 := p.holds(slot)
	after, ok3 := q.holds(slot)
	return ok1 && ok2 && ok3 && before == after
}
