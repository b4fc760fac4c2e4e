//go:build linux

package process

import (
	"fmt"
	"strconv"
	"strings"

	"shmbus/bus"
	"shmbus/internal/testload"
)

// endTopic is that of the message that makes subscribers report.
const endTopic = "end"

// A ledger checks, one by one, the messages and the losses of a subscription.
type ledger struct {
	job
	next   uint64 // the position that is due, or the lowest that may come
	from   testload.Checker
	record map[int]int // by publisher: the record that it publishes from

	received, lost, losses, hash uint64
}

func newLedger(j job, start uint64) *ledger {
	return &ledger{job: j, next: start, from: testload.Checker{Complete: j.Every}, record: make(map[int]int)}
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
	seq, err := l.from.Take(uint32(id), m.Raw)
	if err != nil {
		return fmt.Errorf("position %d: %w", m.Position, err)
	}
	if l.Max > 0 && (len(m.Raw) >= testload.HeaderSize || l.Every) {
		if want := testload.Size(uint32(id), seq, l.Min, l.Max); len(m.Raw) != want {
			return fmt.Errorf("publisher %d, position %d, number %d: %d bytes, expected %d", id, m.Position, seq, len(m.Raw), want)
		}
	}
	if record, known := l.record[id]; known && exclusive(id) && record != m.Publisher {
		return fmt.Errorf("publisher %d moved from record %d to %d", id, record, m.Publisher)
	}
	l.record[id] = m.Publisher
	l.note(m.Position, uint64(id), seq)
	return nil
}

func (l *ledger) note(position, id, seq uint64) {
	l.hash = testload.Mix(l.hash ^ testload.Mix(position) ^ testload.Mix(id<<48^seq^1<<63))
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

func (l *ledger) report() report {
	return report{Position: l.next, Received: l.received, Lost: l.lost, Losses: l.losses, Hash: l.hash, Seqs: l.from.Next()}
}
