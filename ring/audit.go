package ring

import (
	"sync/atomic"

	"shmbus/layout"
)

// Books says where all slots are. It is exact only while nobody publishes.
type Books struct {
	Total     int      // slots of the ring and of all publisher records
	Ring      int      // slots in entries
	Owned     int      // slots in settled pairs
	Unsettled int      // pairs in flight, left by dead publishers: one of the two slots is owned
	Twice     []uint32 // slots found in more than one place, and numbers of slots that do not exist
	Missing   []uint32 // slots found nowhere, not even in a pair in flight
}

// Balanced reports whether every slot is in exactly one place.
func (b Books) Balanced() bool {
	return len(b.Twice) == 0 && len(b.Missing) == 0 && b.Ring+b.Owned+b.Unsettled == b.Total
}

// Audit looks for each slot in the entries and in the pairs.
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

// assign gives each pending pair one of its two slots, if that slot was found nowhere else, and
// marks the slot as seen. If two pairs could have the same slot, one of them takes its other slot,
// so that as many pairs as possible have one: this is a maximum matching of pairs and slots, by
// augmenting paths.
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
