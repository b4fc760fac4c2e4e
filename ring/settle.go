package ring

import (
	"errors"
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/layout"
)

// ErrUnsettled means that it is not known yet which slots a dead publisher owned.
var ErrUnsettled = errors.New("ring: the slots of the record's previous owner are not settled yet")

// settle decides, as far as there is evidence, which slot of each unsettled pair record p owns. Its
// caller owns the record, and the previous owner is dead: it will never finish an exchange.
//
// Of {mine, displaced} the record owns exactly one, and the other is or was in the ring. A slot that is seen in an
// entry, or in a settled pair elsewhere, is therefore not the record's: the other one is. An unsettled pair
// elsewhere proves nothing, since its owner may have been stopped behind its exchange.
func (r *Ring) settle(p int) error {
	// Slots move while this looks, and a pair that is settled may settle another: three times, and again
	// as long as it helps. A later owner looks again.
	const tries = 3
	before := layout.MaxOwned + 1
	for try := 0; ; try++ {
		unsettled := make(map[uint32]int) // a slot of a pair -> index of the pair
		pairs := 0
		for k := range r.layout.Geometry.Owned {
			pair := layout.Pair(atomic.LoadUint64(r.pairWord(p, k)))
			if pair.IsSettled() {
				continue
			}
			if pair.Mine() >= r.total || pair.Displaced() >= r.total {
				return corrupt("pair %d of publisher record %d names slots %d and %d of %d", k, p, pair.Mine(), pair.Displaced(), r.total)
			}
			unsettled[pair.Mine()], unsettled[pair.Displaced()] = k, k
			pairs++
		}
		if len(unsettled) == 0 || try >= tries && pairs >= before {
			return nil
		}
		before = pairs
		elsewhere := func(slot uint32) {
			k, ok := unsettled[slot]
			if !ok {
				return
			}
			w := r.pairWord(p, k)
			pair := layout.Pair(atomic.LoadUint64(w))
			if pair.IsSettled() {
				return
			}
			owned := pair.Mine()
			if slot == owned {
				owned = pair.Displaced()
			}
			fault.At(fault.SettleFound)
			atomic.StoreUint64(w, uint64(layout.Settled(owned)))
			fault.At(fault.SettleDecided)
		}
		for i := uint64(0); i <= r.mask; i++ {
			elsewhere(layout.Entry(atomic.LoadUint64(r.entry(i))).Slot())
		}
		for q := range r.layout.Geometry.Publishers {
			for k := range r.layout.Geometry.Owned {
				pair := layout.Pair(atomic.LoadUint64(r.pairWord(q, k)))
				if pair.IsSettled() {
					elsewhere(pair.Mine())
				}
			}
		}
	}
}

// Books is the account of all slots. It is exact only while nobody publishes.
type Books struct {
	Total     int      // slots there are
	Ring      int      // slots in entries
	Owned     int      // settled pairs
	Unsettled int      // pairs that a death left in flight: one slot each
	Twice     []uint32 // slots found in more than one place
	Missing   []uint32 // slots found nowhere, unsettled pairs considered
}

// Balanced reports whether every slot is in exactly one place.
func (b Books) Balanced() bool {
	return len(b.Twice) == 0 && len(b.Missing) == 0 && b.Ring+b.Owned+b.Unsettled == b.Total
}

// Audit counts all slots.
func (r *Ring) Audit() Books {
	b := Books{Total: int(r.total)}
	seen := make([]uint8, r.total)
	count := func(slot uint32) {
		if slot >= r.total {
			b.Twice = append(b.Twice, slot)
			return
		}
		if seen[slot]++; seen[slot] == 2 {
			b.Twice = append(b.Twice, slot)
		}
	}
	for i := uint64(0); i <= r.mask; i++ {
		b.Ring++
		count(layout.Entry(atomic.LoadUint64(r.entry(i))).Slot())
	}
	var pending []layout.Pair
	for p := range r.layout.Geometry.Publishers {
		for k := range r.layout.Geometry.Owned {
			pair := layout.Pair(atomic.LoadUint64(r.pairWord(p, k)))
			if pair.IsSettled() {
				b.Owned++
				count(pair.Mine())
			} else {
				b.Unsettled++
				pending = append(pending, pair)
			}
		}
	}
	b.assign(pending, seen)
	for s, n := range seen {
		if n == 0 {
			b.Missing = append(b.Missing, uint32(s))
		}
	}
	return b
}

// assign gives each pending pair one of its slots that is seen nowhere else, so that as few
// slots as possible stay without: a pair may have to leave a slot to another pair that
// has no choice, and take its second one.
func (b *Books) assign(pending []layout.Pair, seen []uint8) {
	holder := make(map[uint32]int) // slot -> index in pending
	var place func(i int, visited map[uint32]bool) bool
	place = func(i int, visited map[uint32]bool) bool {
		for _, s := range [2]uint32{pending[i].Mine(), pending[i].Displaced()} {
			if seen[s] != 0 || visited[s] {
				continue
			}
			visited[s] = true
			if j, taken := holder[s]; !taken || place(j, visited) {
				holder[s] = i
				return true
			}
		}
		return false
	}
	for i, pair := range pending {
		if m, d := pair.Mine(), pair.Displaced(); m >= uint32(len(seen)) || d >= uint32(len(seen)) {
			b.Twice = append(b.Twice, max(m, d))
			continue
		}
		place(i, make(map[uint32]bool))
	}
	for s := range holder {
		seen[s] = 1
	}
}
