package bus

import (
	"encoding/binary"

	"shmbus/internal/fault"
	"shmbus/internal/fence"
	"shmbus/internal/segment"
	"shmbus/internal/sleep"
	"shmbus/layout"
	"shmbus/ring"
)

// A step is what a look at the ring found.
type step uint8

const (
	got   step = iota // a message
	idle              // no message for this subscription up to the head
	gone              // messages were lost or damaged; the error says which
	again             // messages were passed over: look once more
)

// look finds the next message that the subscription wants, without waiting, and takes it. With
// inPlace a frame that fits one slot is not copied, and the cursor stays at its position.
func (s *Subscription) look(m *Message, inPlace bool) (step, error) {
	for {
		e, st := s.cur.Peek()
		if st == ring.Done {
			fault.At(fault.ReceivePeeked)
			if !s.in.All && !s.in.Tags.Has(e.Tag()) {
				if st, err := s.skipUnwanted(); st == gone {
					return st, err
				}
				if !inPlace && s.takeMatch(m) {
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

// skipUnwanted passes over messages whose tags are not wanted, up to the next position at which
// skip stores the cursor.
func (s *Subscription) skipUnwanted() (step, error) {
	next := s.cur.Next()
	n := s.cur.Unwanted(&s.in.Tags, s.stride+1-next&s.stride)
	// The entries were loaded before the values below. So if an entry has a new topic, the version
	// of the topic table shows it; if an entry is of another lap, the certified position shows it.
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

// skip passes over n positions. It stores the cursor every eighth of a lap.
func (s *Subscription) skip(n uint64) {
	s.cur.Skip(n)
	if next := s.cur.Next(); next&s.stride == 0 {
		s.cur.SetNext(next)
		if next&s.half == 0 {
			s.wakeBlocked()
		}
	}
}

// take reads the message of entry e, if it is wanted.
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
			// The next call takes this message.
			return gone, s.lossOf(owed.from, s.cur.Next(), owed.count)
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
		// The callback must not see the rest of the slot.
		payload = payload[:len(payload):len(payload)]
	}
	m.Raw = payload
	if flags == layout.FlagWhole {
		s.match = fastMatch{ring.Match{Tag: e.Tag(), Kind: info.Kind()}, name}
	}
	if inPlace {
		return got, nil // the caller advances the cursor
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

// fragment adds the fragment of entry e to its frame.
func (s *Subscription) fragment(e layout.Entry, info layout.FrameInfo, payload []byte,
	m *Message) (step, error) {
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
	// The fast path would take a whole message of this publisher. Such a message ends the
	// unfinished frame, so take has to see it.
	s.match.Kind = noKind
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

// assembled returns the frame of a complete assembly. An exclusive subscription lends the frame
// until its next assembled message. Otherwise the frame is copied into m.Raw; if the capacity of
// m.Raw is too small, the assembly's buffer becomes m.Raw.
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

// advance moves the cursor past a message, and every half lap wakes publishers that wait for room.
// A subscription also wakes them before it waits.
func (s *Subscription) advance() {
	s.cur.Advance()
	if s.cur.Next()&s.half == 0 {
		s.wakeBlocked()
	}
}

// wakeBlocked wakes the publishers that wait for room.
//
// On amd64 it may miss a publisher that blocks at the same moment: the store of the cursor may
// become visible only after the load of the word of blocked publishers. A barrier between the two
// would cost time for every message that comes alone. It is not needed, because that publisher
// sleeps for at most [roomSlice] before it looks again, and a subscription that falls asleep calls
// wakeBlocked after a locked instruction (room.blocked in ring/model/litmus). On arm64 STLR and
// LDAR keep the two in order.
func (s *Subscription) wakeBlocked() {
	if s.reliable {
		sleep.WakeBlocked(s.seg)
	}
}

func (s *Subscription) count(messages, bytes int) {
	received, volume := s.stats.Received+uint64(messages), s.stats.Bytes+uint64(bytes)
	fence.Store(&s.stats.Received, received)
	fence.Store(&s.stats.Bytes, volume)
	fence.Store(s.received, received)
	fence.Store(s.bytes, volume)
}
