package ring

import (
	"errors"
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/layout"
)

// ErrUnsettled means that the owner of a publisher record died, and that no slot is known yet to
// belong to the record. Try another record, or the same one later.
var ErrUnsettled = errors.New("ring: it is not known yet which slots the dead owner of the " +
	"publisher record had: use another record, or try again later")

// settle decides, for each pair in flight of record p, which of the pair's two slots the record
// owns, as far as there is evidence. The caller owns the record. Its previous owner is dead and
// will never finish the exchange.
//
// Of the slots {mine, displaced} the record owns exactly one, and the other one is or was in the
// ring. So a slot that is found in an entry, or in a settled pair elsewhere, is not the record's:
// the other slot is. A pair in flight elsewhere proves nothing, because its owner may have been
// stopped after its compare-and-swap.
func (r *Ring) settle(p int) error {
	// Slots move during the search, and a pair that gets settled may be the evidence for another.
	// So the search is made three times, and then again as long as it settles something. What stays
	// in flight is for a later owner to settle.
	const tries = 3
	before := layout.MaxOwned + 1
	for try := 0; ; try++ {
		inFlight := make(map[uint32]int) // a slot of a pair in flight -> index of the pair
		pairs := 0
		for k := range r.layout.Geometry.Owned {
			pair := layout.Pair(atomic.LoadUint64(r.pairWord(p, k)))
			if pair.IsSettled() {
				continue
			}
			if pair.Mine() >= r.total || pair.Displaced() >= r.total {
				return corrupt("pair %d of publisher record %d names slots %d and %d of %d",
					k, p, pair.Mine(), pair.Displaced(), r.total)
			}
			inFlight[pair.Mine()], inFlight[pair.Displaced()] = k, k
			pairs++
		}
		if len(inFlight) == 0 || try >= tries && pairs >= before {
			return nil
		}
		before = pairs
		elsewhere := func(slot uint32) {
			k, ok := inFlight[slot]
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
