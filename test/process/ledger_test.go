package process

import (
	"fmt"
	"strconv"
	"strings"

	"shmbus/bus"
)

// endTopic is that of the message that makes subscribers report.
const endTopic = "end"

// A ledger checks, one by one, the messages and the losses of a subscription.
type ledger struct {
	job
	next   uint64         // the position that is due, or the lowest that may come
	seqs   map[int]uint64 // by publisher: the number that is due, or the lowest that may come
	record map[int]int    // by publisher: the record that it publishes from

	received, lost, losses, hash uint64
}

func newLedger(j job, start uint64) *ledger {
	return &ledger{job: j, next: start, seqs: make(map[int]uint64), record: make(map[int]int)}
}

func (l *ledger) take(m *bus.Message) error {
	if m.Position < l.next || l.Single && m.Position != l.next {
		return fmt.Errorf("message at position %d, expected %d", m.Position, l.next)
	}
	l.next = m.Position + 1
	l.received++
	if m.Topic == endTopic {
		l.note(m.Position, 0, 0)
		return nil
	}
	id, err := strconv.Atoi(m.Topic[strings.LastIndexByte(m.Topic, '.')+1:])
	if err != nil {
		return fmt.Errorf("message on topic %q", m.Topic)
	}
	due, known := l.seqs[id]
	seq, numbered, err := readFrame(m.Raw, id)
	switch {
	case err != nil:
		return fmt.Errorf("publisher %d, position %d, after number %d: %w", id, m.Position, due, err)
	case !numbered:
		seq = due
	case seq < due || l.Every && seq != due:
		return fmt.Errorf("publisher %d, position %d: number %d, expected %d", id, m.Position, seq, due)
	}
	if l.Max > 0 && (numbered || l.Every) {
		if want := sizeOf(id, seq, l.Min, l.Max); len(m.Raw) != want {
			return fmt.Errorf("publisher %d, position %d, number %d: %d bytes, expected %d", id, m.Position, seq, len(m.Raw), want)
		}
	}
	if !known {
		l.record[id] = m.Publisher
	} else if exclusive(id) && l.record[id] != m.Publisher {
		return fmt.Errorf("publisher %d moved from record %d to %d", id, l.record[id], m.Publisher)
	}
	l.seqs[id] = seq + 1
	l.note(m.Position, uint64(id), seq)
	return nil
}

func (l *ledger) note(position, id, seq uint64) {
	l.hash = mix(l.hash ^ mix(position) ^ mix(id<<48^seq^1<<63))
}

func (l *ledger) lose(e *bus.LossError) error {
	if l.Policy == "reliable" {
		return fmt.Errorf("a reliable subscription lost %d positions from %d to %d", e.Count, e.From, e.To)
	}
	if l.Single && (e.From != l.next || e.To-e.From != e.Count || e.Count == 0) {
		return fmt.Errorf("a loss of %d from %d to %d, where %d was expected next", e.Count, e.From, e.To, l.next)
	}
	l.next = max(l.next, e.To)
	l.lost += e.Count
	l.losses++
	return nil
}

func (l *ledger) report(event string) report {
	return report{Event: event, Position: l.next, Received: l.received, Lost: l.lost, Losses: l.losses, Hash: l.hash, Seqs: l.seqs}
}
