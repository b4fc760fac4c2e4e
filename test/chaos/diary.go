//go:build linux

package main

import (
	"sync/atomic"
	"time"
)

// A diary is what a worker has written down so far, in words of a mapped file: a few words that are
// always up to date, and events in a circle. The worker waits when the coordinator has not read the
// oldest.
type diary struct{ mapped }

// Words of a diary.
const (
	wordWritten = iota // events, by the worker
	wordRead           // events, by the coordinator
	wordPhase          // how far the worker has come
	wordBegun          // publishers: messages begun
	wordAcked          // publishers: messages published
	wordFinal          // by the coordinator: nobody publishes any more, read to the end

	diaryHeader = 8
	eventWords  = 5
	diaryEvents = 8192
	diaryWords  = diaryHeader + eventWords*diaryEvents
)

// Phases of a worker, as its diary says.
const (
	phaseStarting = iota
	phaseOpening  // it may have joined the bus
	phaseJoined
	phaseReady
	phaseLeaving // it may have left
	phaseLeft
)

// A kind of event, and what its words are.
type kind uint64

const (
	evStart   kind = iota + 1 // position, head
	evDeliver                 // position, publisher<<32|number, record<<32|topic
	evLoss                    // from, to, count, head
	evEvicted                 // from, to, count, head
	evEnd                     // position, received, lost
	evDeath                   // pid, time
)

type event struct {
	kind       kind
	a, b, c, d uint64
}

func openDiary(path string) (diary, error) {
	m, err := mapWords(path, diaryWords)
	return diary{m}, err
}

// clear makes it a new worker's.
func (d diary) clear() { clear(d.words[:diaryHeader]) }

func (d diary) get(word int) uint64    { return atomic.LoadUint64(&d.words[word]) }
func (d diary) set(word int, v uint64) { atomic.StoreUint64(&d.words[word], v) }

func (d diary) write(e event) {
	n := d.get(wordWritten)
	for n-d.get(wordRead) >= diaryEvents {
		time.Sleep(200 * time.Microsecond)
	}
	copy(d.words[diaryHeader+eventWords*(n%diaryEvents):], []uint64{uint64(e.kind), e.a, e.b, e.c, e.d})
	d.set(wordWritten, n+1)
}

// peek returns the oldest event not read.
func (d diary) peek() (event, bool) {
	n := d.get(wordRead)
	if n == d.get(wordWritten) {
		return event{}, false
	}
	w := d.words[diaryHeader+eventWords*(n%diaryEvents):]
	return event{kind(w[0]), w[1], w[2], w[3], w[4]}, true
}

func (d diary) advance() { d.set(wordRead, d.get(wordRead)+1) }
