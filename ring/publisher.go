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
	Empty                 // read: there is no message yet
	Lapped                // read: the position was overwritten; see Cursor.Jump
	Corrupt               // the ring holds a value that no correct program wrote
)

// A Publisher publishes frames with one publisher record, which it alone uses. It is for one
// goroutine.
//
// Only this publisher writes the record's intent and pairs in shared memory. Certifiers read the
// intent; the next owner of the record reads the pairs, after this one has died. The
// compare-and-swap of step 4 orders what is stored before it (the position, the intent, the pair in
// flight) before what is stored after it (the settled pair).
type Publisher struct {
	memory memory
	r      *Ring
	next   uint64 // the next position to try; next-1 was seen filled
	limit  uint64 // positions from here on need a Rescan first
	turn   uint   // index in owned of the slot to fill next
	count  uint   // number of owned slots
	run    uint   // how many of them PublishRun fills at once
	owned  [maxOwned]ownedSlot
	intent *uint64
	index  int

	certified *uint64 // everything below is published
}

// maxOwned is a power of two, at least layout.MaxOwned, so that a masked index needs no bounds
// check.
const maxOwned = 16

// An ownedSlot is a slot that the record owns, and the word of the record that says so.
type ownedSlot struct {
	number uint32
	pair   *uint64
}

// Publisher returns a publisher that uses record i. The caller owns the record; its previous owner,
// if there was one, has closed its publisher or is dead. Publisher settles what the previous owner
// left in flight, as far as there is evidence. The error wraps [ErrUnsettled] if no slot is known
// to belong to the record.
func (r *Ring) Publisher(i int) (*Publisher, error) {
	if i < 0 || i >= r.layout.Geometry.Publishers {
		return nil, corrupt("there is no publisher record %d: the ring has %d",
			i, r.layout.Geometry.Publishers)
	}
	p := &Publisher{
		memory: r.memory, r: r, index: i,
		intent:    r.pubWord(i, layout.PubIntent),
		certified: r.word(layout.HeaderCertified),
	}
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
			return nil, corrupt("publisher record %d names slot %d of %d", i, pair.Mine(), r.total)
		}
		p.owned[p.count] = ownedSlot{pair.Mine(), w}
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

// Next returns a position below which everything is published. The next message gets this position
// or a later one.
func (p *Publisher) Next() uint64 { return p.next }

// CatchUp moves Next to the head.
func (p *Publisher) CatchUp() { p.next = p.r.headFrom(p.next) }

// Resume moves Next to the head if the certified position is above Next. A publisher that may have
// been idle for long calls Resume before the steps of a publish (see [Slot]), because laps wrap:
// after a multiple of 2^32 laps the entry at Next has the same lap as before. It costs one load.
// [Publisher.Exchange] calls it.
func (p *Publisher) Resume() {
	if atomic.LoadUint64(p.certified) > p.next {
		p.CatchUp()
	}
}

// Rescan looks at the gates and computes the limit: the position up to which this publisher may
// publish without looking again. If there is no room for the next message, it returns the number of
// the slowest reliable subscriber and the position that its gate protects; otherwise the number is
// -1.
//
// The limit must be at most one lap above the head that was found before the scan. A gate that the
// scan missed was closed after that head was found, so its subscriber starts at that head or above,
// and a publisher below the limit overwrites nothing that the subscriber has to read. The limit is
// in fact at most half a lap above the head, so that the caller returns often enough for its other
// duties, such as certifying sleepers.
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

// Remaining returns how many messages may be published before the limit is reached and
// [Publisher.Rescan] is needed.
func (p *Publisher) Remaining() uint64 {
	if p.next >= p.limit {
		return 0
	}
	return p.limit - p.next
}

// Slowest returns the subscriber whose closed gate protects the lowest position below Next, and
// that position. If no gate protects anything below Next, it returns -1 and Next.
func (p *Publisher) Slowest() (subscriber int, position uint64) { return p.r.slowest(p.next) }
