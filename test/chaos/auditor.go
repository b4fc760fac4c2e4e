//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"shmbus/bus"
	"shmbus/internal/testload"
	"shmbus/layout"
	"shmbus/ring"
	"shmbus/sysvshm"
)

// An auditor reads every slot of the ring and keeps the truth. It takes a subscription's record for
// its gate, and reads with a cursor of its own, so that nothing is overwritten before it has seen
// it.
type auditor struct {
	truth    *truth
	first    uint64 // position of the truth
	accounts *accounts
	frames   [maxRecords]assembly
	slotSize int

	hold, beat *bus.Subscription
	mapping    *sysvshm.Mapping
	ring       *ring.Ring
	head       layout.Header
	sections   layout.Map
	cursor     *ring.Cursor
	buf        []byte

	messages, fragments, abandoned atomic.Uint64
	stand                          standstill

	quit chan struct{}
	done chan error
}

// An assembly is an unfinished frame of a publisher record.
type assembly struct {
	testload.Stamp
	buf   []byte
	first uint64
	next  uint32
	total int
	open  bool
}

const (
	holdPattern = "auditor.hold"
	beatPattern = "auditor.beat"
	// auditPause is how long the auditor rests when it has read everything.
	auditPause = 80 * time.Microsecond
)

func newAuditor(b *bus.Bus) (*auditor, error) {
	a := &auditor{accounts: new(accounts), quit: make(chan struct{}), done: make(chan error, 1)}
	var err error
	// The second subscription does what the first, which reads past package bus, does not: waking
	// publishers that wait for room.
	if a.hold, err = b.Subscribe(holdPattern, bus.Reliable()); err != nil {
		return nil, err
	}
	if a.beat, err = b.Subscribe(beatPattern, bus.Reliable()); err != nil {
		return nil, err
	}
	snap, err := b.Snapshot()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(snap.Subscribers, func(s bus.SubscriberStatus) bool { return s.Pattern == holdPattern })
	if i < 0 {
		return nil, errors.New("the auditor's record is not to be found")
	}
	if a.mapping, err = sysvshm.FromID(b.ShmID()).Attach(sysvshm.ReadWrite); err != nil {
		return nil, err
	}
	mem := a.mapping.Bytes()
	if a.head, a.sections, err = layout.DecodeHeader(mem, len(mem)); err != nil {
		return nil, err
	}
	if a.ring, err = ring.New(mem, a.sections); err != nil {
		return nil, err
	}
	a.slotSize = a.sections.Geometry.SlotPayload()
	a.buf = make([]byte, a.slotSize)
	a.cursor = a.ring.Join(snap.Subscribers[i].Index, ring.FromNow(), true)
	a.first = a.cursor.Next()
	a.truth = newTruth(a.first, truthSize)
	return a, nil
}

// run reads until it is told to quit, or until something is wrong.
func (a *auditor) run() {
	for {
		n, err := a.read()
		if err != nil {
			a.done <- err
			return
		}
		a.beat.TryNext()
		a.stand.look(n > 0, time.Now())
		select {
		case <-a.quit:
			a.done <- nil
			return
		default:
		}
		if n == 0 {
			time.Sleep(auditPause)
		}
	}
}

// stop ends run and the subscriptions.
func (a *auditor) stop() error {
	close(a.quit)
	err := <-a.done
	a.hold.Close()
	a.beat.Close()
	return err
}

// detach gives the memory back, after stop.
func (a *auditor) detach() { a.mapping.Detach() }

// read takes all that is published, and returns how many positions.
func (a *auditor) read() (n int, err error) {
	for {
		e, st := a.cursor.Peek()
		if st == ring.Empty {
			return n, nil
		}
		if st != ring.Done {
			return n, fmt.Errorf("position %d was overwritten under a closed gate", a.cursor.Next())
		}
		info, size, st := a.cursor.Read(e, a.buf)
		if st != ring.Done {
			return n, fmt.Errorf("position %d: its slot does not hold it (status %d, entry %#x, info %#x)", a.cursor.Next(), st, uint64(e), uint64(info))
		}
		f, err := a.judge(a.cursor.Next(), info, a.buf[:size])
		if err != nil {
			return n, fmt.Errorf("position %d: %w", a.cursor.Next(), err)
		}
		a.truth.add(f)
		a.cursor.Advance()
		n++
	}
}

// judge checks a slot and says what it holds.
func (a *auditor) judge(p uint64, info layout.FrameInfo, payload []byte) (fact, error) {
	record := info.Publisher()
	if int(record) >= maxRecords {
		return fact{}, fmt.Errorf("of publisher record %d, which there is not", record)
	}
	f := fact{first: p, record: record, flags: info.Flags() & layout.FlagWhole}
	o := &a.frames[record]
	if f.begins() && o.open {
		a.abandoned.Add(uint64(o.next))
		o.open = false
	}
	stamped := info.Flags()&layout.FlagTime != 0
	if f.whole() {
		if stamped {
			payload = payload[:max(len(payload)-layout.TimeSize, 0)]
		}
		return a.complete(f, payload)
	}
	if len(payload) < layout.FragmentPrefix {
		return f, fmt.Errorf("a fragment of %d bytes", len(payload))
	}
	prefix := binary.LittleEndian.Uint64(payload)
	total, part := int(uint32(prefix)), uint32(prefix>>32)
	payload = payload[layout.FragmentPrefix:]
	if f.begins() {
		s, ok := testload.Peek(payload)
		if !ok || part != 0 || int(s.Tag) >= len(topics) {
			return f, fmt.Errorf("a first fragment, number %d of %d bytes, that says %+v", part, total, s)
		}
		*o = assembly{Stamp: s, buf: o.buf[:0], first: p, total: total, open: true}
	}
	if !o.open || part != o.next || total != o.total {
		return f, fmt.Errorf("record %d: fragment %d of %d bytes, expected %d of %d (%v)", record, part, total, o.next, o.total, o.open)
	}
	o.buf = append(o.buf, payload...)
	o.next++
	f.first, f.part, f.topic, f.publisher, f.number = o.first, part, uint8(o.Tag), o.Sender, uint32(o.Number)
	a.fragments.Add(1)
	if !f.ends() {
		return f, nil
	}
	o.open = false
	if len(o.buf) != o.total {
		return f, fmt.Errorf("record %d: a frame of %d bytes that says %d", record, len(o.buf), o.total)
	}
	frame := o.buf
	if stamped {
		frame = frame[:max(len(frame)-layout.TimeSize, 0)]
	}
	return a.complete(f, frame)
}

func (a *auditor) complete(f fact, frame []byte) (fact, error) {
	s, err := readFrame(frame)
	if err != nil {
		return f, fmt.Errorf("record %d: %w", f.record, err)
	}
	f.publisher, f.number, f.topic = s.Sender, uint32(s.Number), uint8(s.Tag)
	a.messages.Add(1)
	return f, a.accounts.publish(s, f.record)
}
