package bus

import (
	"encoding/binary"
	"fmt"

	"shmbus/internal/fault"
	"shmbus/internal/fence"
	"shmbus/internal/segment"
	"shmbus/internal/sleep"
	"shmbus/layout"
	"shmbus/ring"
)

// step is the outcome of a look at the ring.
type step uint8

const (
	got   step = iota // a message
	idle              // nothing for this subscription up to the head
	gone              // err says what
	again             // something was passed over
)

// look finds the next message that the subscription wants, without waiting. With inPlace a frame
// that fits its slot is not copied, and the cursor stays on it.
func (s *Subscription) look(m *Message, inPlace bool) (step, error) {
	for {
		e, st := s.cur.Peek()
		if st == ring.Done {
			fault.At(fault.ReceivePeeked)
			if !s.in.All && !s.in.Tags.Has(e.Tag()) {
				if st, err := s.skipUnwanted(); st == gone {
					return st, err
				}
				if !inPlace && s.takeAlike(m) {
					return got, nil
				}
				continue
			}
			switch st, err := s.take(e, m, inPlace); st {
			case again:
				continue
			default:
				return st, err
			}
		}
		if st == ring.Empty {
			switch {
			case s.cur.Outdated():
				return gone, s.lapped()
			case s.cur.Astray():
				return gone, s.strayed()
			}
			s.cur.SetNext(s.cur.Next())
			s.cur.CaughtUp()
			return idle, nil
		}
		return gone, s.lapped()
	}
}

// skipUnwanted passes over messages with tags that are not wanted, at most up to where skip releases what it has passed over.
func (s *Subscription) skipUnwanted() (step, error) {
	next := s.cur.Next()
	n := s.cur.Unwanted(&s.in.Tags, s.stride+1-next&s.stride)
	// The entries were loaded first: if a topic is new among them, the table's version says so, and if they are of another
	// time, so does the certified position.
	switch {
	case s.in.Stale():
		s.in.Match()
	case n > 0 && !s.cur.Outdated():
		s.skip(n)
	case n > 0:
		return gone, s.lapped()
	}
	return again, nil
}

// skip passes over n positions.
func (s *Subscription) skip(n uint64) {
	s.cur.Skip(n)
	if next := s.cur.Next(); next&s.stride == 0 {
		s.cur.SetNext(next)
		if next&s.half == 0 {
			s.crossed()
		}
	}
}

// advance releases a position, and wakes publishers that wait for room once in a while; before it idles, a
// subscription does that in any case.
func (s *Subscription) advance() {
	s.cur.Advance()
	if s.cur.Next()&s.half == 0 {
		s.crossed()
	}
}

// crossed wakes the publishers that wait for room.
//
// On amd64 a publisher that blocks at the same moment may be missed: the cursor's store may become visible only after the
// load of who is blocked, and a barrier between them would cost each message of one that comes one by one. That publisher
// sleeps for [roomSlice] at most before it looks again; and before the subscription sleeps it
// comes by here behind a locked instruction (room.blocked in ring/model/litmus). On arm64 the order is that of STLR and LDAR.
func (s *Subscription) crossed() {
	if s.reliable {
		sleep.WakeBlocked(s.seg)
	}
}

// A likeness is what messages have in common that come one after the other: whole, without a time, from one
// publisher, on one topic that is wanted.
type likeness struct {
	ring.Match
	topic string
}

// unlike is the kind of no message: none has so many bits.
const unlike = ^layout.FrameKind(0)

func likeNothing() (l likeness) {
	l.Kind = unlike
	return l
}

func (l *likeness) message(m *Message, position uint64, raw []byte) {
	// One by one: a composite would be built elsewhere and copied in other units than it was built, which the processor
	// can not forward from its stores.
	m.Topic, m.Raw, m.nanos = l.topic, raw, 0
	m.Position, m.Publisher = position, int(l.Kind.Publisher())
}

// take reads the message of entry e.
func (s *Subscription) take(e layout.Entry, m *Message, inPlace bool) (step, error) {
	info, payload, st := s.cur.View(e)
	whole := info.Flags()&layout.FlagWhole == layout.FlagWhole
	if st == ring.Done && whole && !inPlace {
		copied := s.memory(m, len(payload))
		s.cur.Copy(e, 0, copied)
		payload = copied
	}
	fault.At(fault.ReceiveCopied)
	if st == ring.Done {
		st = s.cur.Valid(e, info)
	}
	if st != ring.Done {
		return s.unreadable(e, st)
	}
	if int(info.Publisher()) >= s.seg.Map.Geometry.Publishers {
		return gone, s.damaged("it names publisher %d, which there is not", info.Publisher())
	}
	name, wanted, known := s.in.Topic(info.Topic())
	if !known {
		s.in.Match()
		if name, wanted, known = s.in.Topic(info.Topic()); !known {
			return gone, s.damaged("it names topic %d, which there is not", info.Topic())
		}
	}
	if name == "" {
		return gone, s.damaged("the record of its topic, %d, is damaged", info.Topic())
	}
	if !wanted {
		s.skip(1)
		return again, nil
	}
	flags := info.Flags()
	if s.frag.pending() && flags&layout.FlagFirst != 0 {
		if owed := s.frag.settle(info.Publisher()); owed.count > 0 {
			return gone, s.lossOf(owed.from, s.cur.Next(), owed.count) // the message itself comes next
		}
	}
	m.Topic, m.Position, m.Publisher, m.nanos = name, s.cur.Next(), int(info.Publisher()), 0
	if !whole {
		return s.fragment(e, info, payload, m)
	}
	if flags&layout.FlagTime != 0 {
		if len(payload) < layout.TimeSize {
			return gone, s.damaged("it has no room for its time")
		}
		payload = m.cutTime(payload)
	}
	if inPlace {
		payload = payload[:len(payload):len(payload)] // what follows in the slot is not the callback's
	}
	m.Raw = payload
	if flags == layout.FlagWhole {
		s.like = likeness{ring.Match{Tag: e.Tag(), Kind: info.Kind()}, name}
	}
	if inPlace {
		return got, nil // the caller advances
	}
	s.advance()
	fault.At(fault.ReceiveTaken)
	s.count(1, len(payload))
	return got, nil
}

func (m *Message) cutTime(payload []byte) []byte {
	n := len(payload) - layout.TimeSize
	m.nanos = int64(binary.LittleEndian.Uint64(payload[n:]))
	return payload[:n]
}

// fragment adds a fragment, which is in place, to its frame.
func (s *Subscription) fragment(e layout.Entry, info layout.FrameInfo, payload []byte, m *Message) (step, error) {
	var prefix uint64
	var data []byte
	if len(payload) >= layout.FragmentPrefix {
		prefix = binary.LittleEndian.Uint64(payload)
		data = s.frag.room(info, prefix, len(payload)-layout.FragmentPrefix)
		s.cur.Copy(e, layout.FragmentPrefix, data)
	}
	fault.At(fault.ReceiveCopied)
	if st := s.cur.Valid(e, info); st != ring.Done {
		return s.unreadable(e, st)
	}
	s.like.Kind = unlike // the next whole message of its publisher ends the frame
	a, owed := s.frag.add(s.cur.Next(), info, prefix, data)
	s.advance()
	if a != nil {
		frame := s.assembled(a, m)
		if info.Flags()&layout.FlagTime != 0 && len(frame) >= layout.TimeSize {
			frame = m.cutTime(frame)
		}
		m.Raw = frame
		s.count(1, len(frame))
		return got, nil
	}
	if owed.count > 0 {
		return gone, s.lossOf(owed.from, s.cur.Next(), owed.count)
	}
	return again, nil
}

// assembled returns the frame of a complete assembly: lent until the next assembled message, copied to what the caller has in m, or
// given away where that is too small.
func (s *Subscription) assembled(a *assembly, m *Message) []byte {
	frame := a.buf
	switch {
	case !s.shared:
		if s.held != nil {
			s.frag.release(s.held)
		}
		s.held = a
		return frame
	case cap(m.Raw) < len(frame) || segment.Mapped(m.Raw):
		a.buf = nil
	default:
		frame = append(m.Raw[:0], frame...)
	}
	s.frag.release(a)
	return frame
}

func (s *Subscription) count(messages, bytes int) {
	received, volume := s.stats.Received+uint64(messages), s.stats.Bytes+uint64(bytes)
	fence.Store(&s.stats.Received, received)
	fence.Store(&s.stats.Bytes, volume)
	fence.Store(s.received, received)
	fence.Store(s.bytes, volume)
}

func (s *Subscription) countLoss(n uint64) {
	fence.Store(&s.stats.Lost, s.stats.Lost+n)
	fence.Store(&s.stats.Losses, s.stats.Losses+1)
	fence.Store(s.lost, s.stats.Lost)
	fence.Store(s.losses, s.stats.Losses)
}

func (s *Subscription) lossOf(from, to, count uint64) error {
	s.countLoss(count)
	return &LossError{From: from, To: to, Count: count}
}

// unreadable is what happens to a message that was overwritten while it was read, or that is damaged.
func (s *Subscription) unreadable(e layout.Entry, st ring.Status) (step, error) {
	if st == ring.Lapped {
		switch at, now := s.cur.Peek(); {
		case now == ring.Done && at != e:
			return again, nil
		case now != ring.Done:
			return gone, s.lapped()
		}
		// The slot is of a time 2^32 laps later, or earlier, which no correct program makes, or somebody damaged its position.
		switch {
		case s.cur.Outdated():
			return gone, s.lapped()
		case s.bus.ring.Head() < s.cur.Next():
			return gone, s.strayed()
		}
	}
	return gone, s.damaged("its slot does not hold what the entry says")
}

// damaged passes over a message that no correct program published.
func (s *Subscription) damaged(format string, a ...any) error {
	p := s.cur.Next()
	s.frag.lost(1)
	s.countLoss(1)
	s.advance()
	return fmt.Errorf("%w: message at position %d: %s", ErrCorrupt, p, fmt.Sprintf(format, a...))
}

// strayed brings a subscription to the head whose position no message can have next.
func (s *Subscription) strayed() error {
	from, head := s.cur.Next(), s.bus.ring.Head()
	s.cur.SetNext(head)
	s.frag.lost(1 << 62) // no frame goes on
	s.countLoss(0)
	return fmt.Errorf("%w: the subscription was at position %d, the next message gets %d: it goes on from there", ErrCorrupt, from, head)
}

// lapped moves on behind what was overwritten.
func (s *Subscription) lapped() error {
	from, to := s.cur.Jump()
	s.frag.lost(to - from)
	loss := LossError{From: from, To: to, Count: to - from}
	s.countLoss(loss.Count)
	if s.cutOff() {
		return s.end(loss)
	}
	return &loss
}

// cutOff reports whether publishers no longer wait for this subscription because its patience is over.
func (s *Subscription) cutOff() bool {
	return s.reliable && s.bus.ring.Gate(s.index).State() == layout.GateEvicted
}

// lookLast is for a subscription that looked, found nothing, and was found cut off then. What was published between the two is
// still delivered, or lost and counted.
func (s *Subscription) lookLast(m *Message, inPlace bool) error {
	st, err := s.look(m, inPlace)
	if st == idle {
		next := s.cur.Next() // nothing before it was lost
		return s.end(LossError{From: next, To: next})
	}
	return err
}

// end ends a subscription that was cut off.
func (s *Subscription) end(loss LossError) error {
	s.over, s.like.Kind = &EvictedError{loss}, unlike
	return s.over
}
