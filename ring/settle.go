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
// Of {mine, displaced} the record owns exactly one, and the other is or was in the ring. A slot
// that is seen in an entry, or in a settled pair elsewhere, is therefore not the record's: the
// other one is. An unsettled pair elsewhere proves nothing, since its owner may have been stopped
// behind its exchange.
func (r *Ring) settle(p int) error {
	// Slots move while this looks, and a pair that is settled may settle another: three times, and
	// again as long as it helps. A later owner looks again.
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
