//go:build linux

package main

import (
	"fmt"
	"sync/atomic"

	"shmbus/layout"
)

// A fact is what stands at a position.
type fact struct {
	publisher uint32
	number    uint32 // the low bits
	first     uint64 // position of the frame's first fragment
	part      uint32 // number of the fragment
	record    uint16
	topic     uint8
	flags     uint8 // layout.FlagFirst, layout.FlagLast
}

func (f fact) whole() bool  { return f.flags&layout.FlagWhole == layout.FlagWhole }
func (f fact) begins() bool { return f.flags&layout.FlagFirst != 0 }
func (f fact) ends() bool   { return f.flags&layout.FlagLast != 0 }

func (f fact) String() string {
	return fmt.Sprintf("publisher %d number %d part %d of the frame from %d, record %d, %s, flags %d",
		f.publisher, f.number, f.part, f.first, f.record, topics[f.topic], f.flags)
}

// A truth holds the facts of the last positions, up to its head. One goroutine adds to it, others
// may read.
type truth struct {
	facts []fact
	head  atomic.Uint64
}

// truthSize is how many positions are remembered: many seconds at full speed.
const truthSize = 1 << 21

func newTruth(start uint64, size int) *truth {
	t := &truth{facts: make([]fact, size)}
	t.head.Store(start)
	return t
}

func (t *truth) add(f fact) {
	p := t.head.Load()
	t.facts[p%uint64(len(t.facts))] = f
	t.head.Store(p + 1)
}

// at returns the fact at a position below the head and not older than [truth.oldest].
func (t *truth) at(p uint64) *fact { return &t.facts[p%uint64(len(t.facts))] }

// oldest is the oldest position that may be asked for while others are added.
func (t *truth) oldest() uint64 {
	return t.head.Load() - uint64(len(t.facts))*3/4
}
