package ring

import (
	"sync/atomic"

	"shmbus/layout"
)

// A Status says how an attempt to publish or to read ended.
type Status uint8

const (
	Done    Status = iota // published, or there is a message
	Limit                 // publish: the cached limit is reached; see Publisher.Rescan
	Empty                 // read: nothing yet
	Lapped                // read: the position was overwritten; see Cursor.Jump
	Corrupt               // a word that no correct program wrote
)

// A Publisher puts frames into the ring on behalf of one publisher record, which it alone uses.
// It is for one goroutine.
//
// The record's fields in shared memory are written by this publisher only. Pairs and intent
// are read by whoever recovers or certifies; they are ordered by the compare-and-swap between them.
type Publisher struct {
	memory memory
	r      *Ring
	next   uint64 // the next position to try; next-1 was seen filled
	limit  uint64 // positions from here on need a Rescan first
	turn   uint   // index in owned of the slot to fill next
	count  uint   // of owned slots
	run    uint   // how many of them PublishRun fills at once
	owned  [maxOwned]owned
	intent *uint64
	index  int

	certified *uint64 // everything below is published
}

// maxOwned is a power of two that is not below layout.MaxOwned, so that a masked index needs no check.
const maxOwned = 16

// owned is a slot that the record owns, and the record's word that says so.
type owned struct {
	slot uint32
	pair *uint64
}

// Publisher returns the publisher of record i, whose previous owner, if any, has left or is
// dead. It settles what the previous owner left in flight as far as there is evidence. Its error
// wraps [ErrUnsettled] when no slot of the record is known to be the record's.
func (r *Ring) Publisher(i int) (*Publisher, error) {
	if i < 0 || i >= r.layout.Geometry.Publishers {
		return nil, corrupt("publisher record %d of %d", i, r.layout.Geometry.Publishers)
	}
	p := &Publisher{memory: r.memory, r: r, index: i, intent: r.pubWord(i, layout.PubIntent),
		certified: r.word(layout.HeaderCertified)}
	if err := r.settle(i); err != nil {
		return nil, err
	}
	for k := range r.layout.Geometry.Owned {
		w := r.pairWord(i, k)
		pair := layout.Pair(atomic.LoadUint64(w))
		if !pair.IsSettled() {
			continue
		}
		if pair.Mine() >= r.total {
			return nil, corrupt("publisher record %d owns slot %d of %d", i, pair.Mine(), r.total)
		}
		p.owned[p.count] = owned{pair.Mine(), w}
		p.count++
	}
	if p.count == 0 {
		return nil, ErrUnsettled
	}
	p.run = min(p.count, max(runBytes/uint(r.layout.Geometry.SlotSize), 1))
	p.next = r.Head()
	p.limit = p.next // the first publish looks at the gates
	return p, nil
}

// Index returns the number of the publisher's record.
func (p *Publisher) Index() int { return p.index }

// Next returns a position of which it is known that all before it are published. The
// next message gets this position or a later one.
func (p *Publisher) Next() uint64 { return p.next }

// CatchUp moves Next to the head.
func (p *Publisher) CatchUp() { p.next = p.r.headFrom(p.next) }

// Resume is for a publisher that may have been idle for long, before it takes [Publisher.Aim] by itself: after a multiple of 2^32
// laps the entry at Next looks as it did. It costs a load. [Publisher.Exchange] does it, too.
func (p *Publisher) Resume() {
	if atomic.LoadUint64(p.certified) > p.next {
		p.CatchUp()
	}
}

func (p *Publisher) own() *owned { return &p.owned[p.turn%maxOwned] }

func (p *Publisher) slot() address { return p.memory.slot(p.own().slot) }

// Rescan looks at the gates and computes how far this publisher may go without looking again. It returns the
// number of the slowest subscriber and its position when there is no room for the next message, and
// -1 otherwise.
//
// The limit is capped at a lap from a position known to be published when the scan began: a gate that the scan
// missed was closed later, and its subscriber starts at that position or above, so the cap keeps this publisher off it. It
// is capped at half a lap so that whoever calls Rescan comes by often enough for what else it has to do.
func (p *Publisher) Rescan() (slowest int, position uint64) {
	r := p.r
	p.CatchUp()
	seen := p.next
	n := r.Slots()
	slowest, position = r.slowest(seen)
	p.limit = min(seen+n/2, position+n)
	if p.next < p.limit {
		return -1, position
	}
	return slowest, position
}

// Room returns how many messages may be published before the next look at the gates.
func (p *Publisher) Room() uint64 {
	if p.next >= p.limit {
		return 0
	}
	return p.limit - p.next
}

// Slowest returns the subscriber with the lowest protected position, and that position; -1 and
// Next when no gate is closed.
func (p *Publisher) Slowest() (int, uint64) { return p.r.slowest(p.next) }
