package ring

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"shmbus/layout"
)

// A step is a point between the stores of Publisher.Exchange at which a publisher may die.
type step int

const (
	filled   step = iota // the payload is there
	position             // and the position in the slot's header
	intent               // and the intent
	inFlight             // and the pair
	lostRace             // the compare-and-swap has failed: another publisher used the position
	swapped              // the compare-and-swap succeeded
	settled              // the pair is settled
	steps
)

func (s step) String() string {
	return [...]string{"filled", "position", "intent", "in flight", "lost race", "swapped", "settled"}[s]
}

// dieAt publishes value with p up to a step and no further; p must not be used afterwards. For
// lostRace, it calls rival, which publishes, between the store of the pair and the
// compare-and-swap. It returns the index of the pair and the slot that the record really owns.
func dieAt(tb rapid.TB, r *Ring, p *Publisher, at step, value uint64, rival func()) (pair *uint64, truth uint32) {
	tb.Helper()
	p.Rescan()
	mine, pair := p.own().number, p.own().pair
	var buf [48]byte
	message(&buf, value)
	p.Fill(0, buf[:])
	atomic.StoreUint64(slotInfo(r.slot(mine)), uint64(layout.MakeFrameInfo(48, layout.FlagWhole, uint16(p.Index()), 0)))
	pos := r.headFrom(p.next)
	w := r.load(pos)
	if layout.LapsAhead(w.Lap(), layout.LapOf(pos, r.shift)) != -1 {
		tb.Fatalf("position %d is not free", pos)
	}
	for s := position; s <= at; s++ {
		switch s {
		case position:
			atomic.StoreUint64(slotPosition(r.slot(mine)), pos)
		case intent:
			atomic.StoreUint64(p.intent, pos+1)
		case inFlight:
			atomic.StoreUint64(pair, uint64(layout.InFlight(mine, w.Slot())))
		case lostRace:
			if at == lostRace {
				rival()
			}
		case swapped:
			next := layout.MakeEntry(layout.LapOf(pos, r.shift), uint32(value), mine)
			if !atomic.CompareAndSwapUint64(r.entry(pos&r.mask), uint64(w), uint64(next)) {
				tb.Fatal("lost a race that nobody else ran")
			}
		case settled:
			atomic.StoreUint64(pair, uint64(layout.Settled(w.Slot())))
		}
	}
	if at >= swapped {
		return pair, w.Slot()
	}
	return pair, mine
}

// TestDeathAtEachStep: a publisher dies at each step, another one publishes for a while, and then
// an heir takes over the record.
func TestDeathAtEachStep(t *testing.T) {
	for at := range steps {
		for _, meanwhile := range []int{0, 1, 2, 7, 8, 9, 16, 40} {
			t.Run(fmt.Sprintf("step=%v/meanwhile=%d", at, meanwhile), func(t *testing.T) {
				r := newRing(t, geometry(8, 2, 2))
				r.FormatAt(1 << 20)
				c := r.Reader(FromNow())
				value := uint64(100)
				next := func(p *Publisher) {
					publish(t, p, value)
					expect(t, c, value)
					value++
				}
				p, q := openPublisher(t, r, 0), openPublisher(t, r, 1)
				for range 11 {
					next(p)
					next(q)
				}
				word, truth := dieAt(t, r, p, at, 7, func() { next(q) })
				if at >= swapped {
					expect(t, c, 7)
				} else {
					expectStatus(t, c, Empty) // all or nothing
				}
				for range meanwhile {
					next(q)
					expectBalance(t, r)
				}
				heir := openPublisher(t, r, 0)
				if got := layout.Pair(atomic.LoadUint64(word)); got != layout.Settled(truth) {
					// With only one other publisher there is always evidence.
					t.Fatalf("the pair is %#x, the record owns slot %d", uint64(got), truth)
				}
				if heir.count != 2 {
					t.Fatalf("the heir has %d slots", heir.count)
				}
				expectBalance(t, r)
				for range 40 {
					next(heir)
					next(q)
					expectBalance(t, r)
				}
			})
		}
	}
}

// TestNoEvidenceYet: while either slot of a pair may be the record's, the heir uses neither; when
// there is evidence, it has its slot.
func TestNoEvidenceYet(t *testing.T) {
	r := newRing(t, geometry(8, 2, 3))
	a, b := openPublisher(t, r, 0), openPublisher(t, r, 1)
	// a dies after its exchange; b displaces what a published, and dies after its exchange as well.
	wordA, truthA := dieAt(t, r, a, swapped, 1, nil)
	c := openPublisher(t, r, 2)
	publishAll(t, c, seq(2, 9)...)
	wordB, truthB := dieAt(t, r, b, swapped, 9, nil)
	if got := layout.Pair(atomic.LoadUint64(wordB)).Displaced(); got != layout.Pair(atomic.LoadUint64(wordA)).Mine() {
		t.Fatalf("the case is not the one meant: b displaced slot %d", got)
	}
	expectBalance(t, r) // the audit must not count a slot for one pair if another pair holds it

	heirA := openPublisher(t, r, 0)
	if heirA.count != 1 {
		t.Fatalf("an heir without evidence has %d slots", heirA.count)
	}
	publishAll(t, heirA, seq(10, 40)...) // it works with the other one
	expectBalance(t, r)

	openPublisher(t, r, 1)
	if got := layout.Pair(atomic.LoadUint64(wordB)); got != layout.Settled(truthB) {
		t.Fatalf("b's pair is %#x, b owns %d", uint64(got), truthB)
	}
	if got := openPublisher(t, r, 0); got.count != 2 || layout.Pair(atomic.LoadUint64(wordA)) != layout.Settled(truthA) {
		t.Fatalf("a's pair is %#x, a owns %d", atomic.LoadUint64(wordA), truthA)
	}
	expectBalance(t, r)
}

// TestOpenPairsAreNoEvidence: three publishers die one after the other after their exchanges. Each
// has displaced what the one before published. Of the second publisher's two slots, the first one's
// pair names one and the third one's pair the other: that proves nothing.
func TestOpenPairsAreNoEvidence(t *testing.T) {
	r := newRing(t, geometry(8, 2, 4))
	others := openPublisher(t, r, 3)
	var words [3]*uint64
	var truth [3]uint32
	for i := range 3 {
		words[i], truth[i] = dieAt(t, r, openPublisher(t, r, i), swapped, 1, nil)
		if i > 0 && truth[i] != layout.Pair(atomic.LoadUint64(words[i-1])).Mine() {
			t.Fatal("the case is not the one meant")
		}
		if i < 2 {
			publishAll(t, others, seq(0, 7)...)
		}
	}
	for _, i := range []int{1, 0} {
		if p := openPublisher(t, r, i); p.count != 1 || layout.Pair(atomic.LoadUint64(words[i])).IsSettled() {
			t.Fatalf("without evidence record %d has %d slots, pair %#x", i, p.count, atomic.LoadUint64(words[i]))
		}
		expectBalance(t, r)
	}
	for _, i := range []int{2, 1, 0} { // the ring settles the third pair, that settles the second, and so on
		openPublisher(t, r, i)
		if got := layout.Pair(atomic.LoadUint64(words[i])); got != layout.Settled(truth[i]) {
			t.Fatalf("record %d: pair %#x, it owns %d", i, uint64(got), truth[i])
		}
		expectBalance(t, r)
	}
}

// TestUnsettled: a record whose pairs are all in flight cannot be used until there is evidence.
func TestUnsettled(t *testing.T) {
	r := newRing(t, geometry(8, 2, 2))
	ring := r.load(0).Slot()
	own := pubPairs(r, 0)
	other := pubPairs(r, 1)
	// Both slots of record 0 went into the ring, and were displaced by exchanges of record 1 that
	// are still in flight.
	in, d0, d1 := own[0].Mine(), ring, r.load(1).Slot()
	in2 := own[1].Mine()
	atomic.StoreUint64(r.pairWord(0, 0), uint64(layout.InFlight(in, d0)))
	atomic.StoreUint64(r.pairWord(0, 1), uint64(layout.InFlight(in2, d1)))
	atomic.StoreUint64(r.pairWord(1, 0), uint64(layout.InFlight(other[0].Mine(), in)))
	atomic.StoreUint64(r.pairWord(1, 1), uint64(layout.InFlight(other[1].Mine(), in2)))
	atomic.StoreUint64(r.entry(0), uint64(layout.MakeEntry(1, 0, other[0].Mine())))
	atomic.StoreUint64(r.entry(1), uint64(layout.MakeEntry(1, 0, other[1].Mine())))
	expectBalance(t, r)
	if _, err := r.Publisher(0); !errors.Is(err, ErrUnsettled) {
		t.Fatalf("error %v, want ErrUnsettled", err)
	}
	expectBalance(t, r)
	for _, record := range []int{1, 0} {
		if p := openPublisher(t, r, record); p.count != 2 {
			t.Errorf("record %d has %d slots", record, p.count)
		}
	}
	expectBalance(t, r)
}

// TestChainInOneRecord: heirs of one record die one after the other. Each has displaced what the
// one before published. The evidence for the last one settles them all.
func TestChainInOneRecord(t *testing.T) {
	r := newRing(t, geometry(8, 8, 1))
	pairs := pubPairs(r, 0)
	displaced := r.load(0).Slot()
	for k, pair := range pairs {
		atomic.StoreUint64(r.pairWord(0, k), uint64(layout.InFlight(pair.Mine(), displaced)))
		displaced = pair.Mine()
	}
	atomic.StoreUint64(r.entry(0), uint64(layout.MakeEntry(uint32(len(pairs)), 0, displaced)))
	expectBalance(t, r)
	p := openPublisher(t, r, 0)
	if int(p.count) != len(pairs) {
		t.Errorf("%d of %d pairs are settled", p.count, len(pairs))
	}
	expectBalance(t, r)
}

// TestDeathsAtRandom runs publishes, deaths at each step and takeovers of several records against a
// model that knows which record owns each slot.
func TestDeathsAtRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records, owned := rapid.IntRange(2, 4).Draw(t, "records"), rapid.IntRange(2, 4).Draw(t, "owned")
		r, err := NewHeap(geometry(8, owned, records))
		if err != nil {
			t.Fatal(err)
		}
		truth := make(map[*uint64]uint32) // pair -> slot
		for rec := range records {
			for k := range owned {
				truth[r.pairWord(rec, k)] = layout.Pair(atomic.LoadUint64(r.pairWord(rec, k))).Mine()
			}
		}
		alive := make([]*Publisher, records)
		c := r.Reader(FromNow())
		value := uint64(0)
		next := func(p *Publisher) {
			word := p.own().pair
			displaced := r.load(r.Head()).Slot()
			publish(t, p, value)
			truth[word] = displaced
			expect(t, c, value)
			value++
		}
		check := func() {
			if b := r.Audit(); !b.Balanced() {
				t.Fatalf("the books do not balance: %+v", b)
			}
			for word, slot := range truth {
				pair := layout.Pair(atomic.LoadUint64(word))
				if pair.IsSettled() && pair.Mine() != slot || pair.Mine() != slot && pair.Displaced() != slot {
					t.Fatalf("a pair says %#x, its record owns slot %d", uint64(pair), slot)
				}
			}
		}
		record := rapid.IntRange(0, records-1)
		for range rapid.IntRange(1, 60).Draw(t, "operations") {
			i := record.Draw(t, "record")
			if alive[i] == nil {
				p, err := r.Publisher(i)
				if errors.Is(err, ErrUnsettled) {
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				alive[i] = p
				check()
				continue
			}
			p := alive[i]
			if rapid.IntRange(0, 2).Draw(t, "publish") < 2 {
				for range rapid.IntRange(1, 4).Draw(t, "times") {
					next(p)
				}
				check()
				continue
			}
			at := step(rapid.IntRange(0, int(steps)-1).Draw(t, "step"))
			j := record.Draw(t, "rival")
			if at == lostRace && (j == i || alive[j] == nil) {
				at = inFlight
			}
			word, slot := dieAt(t, r, p, at, value, func() { next(alive[j]) })
			truth[word] = slot
			alive[i] = nil
			if at >= swapped {
				expect(t, c, value)
				value++
			}
			check()
		}
		// Each takeover may bring the evidence for another.
		for range records {
			for i := range records {
				if _, err := r.Publisher(i); err != nil && !errors.Is(err, ErrUnsettled) {
					t.Fatal(err)
				}
				check()
			}
		}
		if b := r.Audit(); b.Unsettled > 0 {
			t.Errorf("after all successions %d pairs are open: %+v", b.Unsettled, b)
		}
	})
}

func TestAuditFindsFaults(t *testing.T) {
	tests := []struct {
		name   string
		damage func(r *Ring)
	}{
		{"twice in the ring", func(r *Ring) { atomic.StoreUint64(r.entry(0), uint64(r.load(1))) }},
		{"ring and pair", func(r *Ring) { atomic.StoreUint64(r.pairWord(0, 0), uint64(layout.Settled(r.load(3).Slot()))) }},
		{"no such slot in an entry", func(r *Ring) { atomic.StoreUint64(r.entry(0), uint64(layout.MakeEntry(0, 0, 1<<20-1))) }},
		{"no such slot in a pair", func(r *Ring) { atomic.StoreUint64(r.pairWord(1, 1), uint64(layout.Settled(1<<32-1))) }},
		{"no such slot in flight", func(r *Ring) { atomic.StoreUint64(r.pairWord(1, 1), uint64(layout.InFlight(3, 1<<31))) }},
		{"both slots of a pair are elsewhere", func(r *Ring) {
			atomic.StoreUint64(r.pairWord(0, 0), uint64(layout.InFlight(r.load(0).Slot(), r.load(1).Slot())))
		}},
		{"two pairs claim one slot", func(r *Ring) {
			s := layout.Pair(atomic.LoadUint64(r.pairWord(0, 0))).Mine()
			atomic.StoreUint64(r.pairWord(0, 0), uint64(layout.InFlight(s, r.load(0).Slot())))
			atomic.StoreUint64(r.pairWord(0, 1), uint64(layout.InFlight(s, r.load(0).Slot())))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRing(t, geometry(8, 2, 2))
			expectBalance(t, r)
			tt.damage(r)
			if b := r.Audit(); b.Balanced() {
				t.Errorf("nothing found: %+v", b)
			}
		})
	}
}

func TestPublisherOfCorruptRecord(t *testing.T) {
	for name, pair := range map[string]layout.Pair{"settled": layout.Settled(12), "mine": layout.InFlight(1<<31, 0), "displaced": layout.InFlight(0, 1<<32-1)} {
		t.Run(name, func(t *testing.T) {
			r := newRing(t, geometry(8, 2, 2)) // 12 slots
			atomic.StoreUint64(r.pairWord(0, 1), uint64(pair))
			if _, err := r.Publisher(0); !errors.Is(err, ErrCorrupt) {
				t.Errorf("error %v", err)
			}
			openPublisher(t, r, 1)
		})
	}
}
