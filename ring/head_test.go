package ring

import (
	"math"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shmbus/layout"
)

// fillTo makes r look as if all positions below head were published. certified and one intent are
// set, too.
func fillTo(r *Ring, head, certified, intent uint64) {
	r.FormatAt(head)
	for p := head &^ r.mask; p < head; p++ {
		e := r.load(p)
		atomic.StoreUint64(r.entry(p&r.mask), uint64(layout.MakeEntry(layout.LapOf(p, r.shift), 0, e.Slot())))
	}
	atomic.StoreUint64(r.word(layout.HeaderCertified), certified)
	atomic.StoreUint64(r.pubWord(1, layout.PubIntent), intent)
}

func TestHead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shift := rapid.IntRange(3, 10).Draw(t, "log2 N")
		r, err := NewHeap(geometry(1<<shift, 2, 3))
		if err != nil {
			t.Fatal(err)
		}
		n := uint64(1) << shift
		base := rapid.SampledFrom([]uint64{0, 1 << 32, n << 31, n << 32, n << 33, 3 * n << 31, 1 << 46, 1 << 62}).Draw(t, "base")
		head := base + uint64(rapid.Int64Range(-int64(min(base, 3*n)), 3*int64(n)).Draw(t, "offset"))
		below := func(what string) uint64 { return head - min(head, rapid.Uint64Range(0, 1<<30*n).Draw(t, what)) }
		certified, intent := below("certified"), below("intent")
		switch rapid.IntRange(0, 4).Draw(t, "intent of the newest") {
		case 0:
			intent = head + 1 // it is about to publish at the head
		case 1:
			intent = head // it has published the newest
		case 2:
			intent = 0
		case 3:
			intent = head + 2 + rapid.Uint64Range(0, 1<<30*n).Draw(t, "nonsense") // above the head: must be ignored
		}
		fillTo(r, head, certified, intent)
		if got := r.Head(); got != head {
			t.Fatalf("head %#x with certified %#x and intent %#x, want %#x", got, certified, intent, head)
		}
		from := head - min(head, rapid.Uint64Range(0, 1<<30*n).Draw(t, "from"))
		if got := r.headFrom(from); got != head {
			t.Fatalf("head from %#x is %#x, want %#x", from, got, head)
		}
		if got, want := r.Oldest(head), head-min(head, n); got != want {
			t.Fatalf("oldest %#x, want %#x", got, want)
		}
		for range 10 {
			p := head + uint64(rapid.Int64Range(-int64(min(head, 5*n)), 5*int64(n)).Draw(t, "p"))
			if r.filled(p) != (p < head) {
				t.Fatalf("position %#x filled: %v; the head is %#x", p, r.filled(p), head)
			}
		}
	})
}

// TestHeadOfCorruptRing: the search for the head ends for any values of the words.
func TestHeadOfCorruptRing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, err := NewHeap(geometry(8, 2, 2))
		if err != nil {
			t.Fatal(err)
		}
		edge := rapid.SampledFrom([]uint64{0, 1, 1 << 31 << 32, math.MaxUint64, (1<<31 - 1) << 32, (1<<31 + 1) << 32})
		word := rapid.OneOf(rapid.Uint64(), edge)
		for i := range uint64(8) {
			atomic.StoreUint64(r.entry(i), word.Draw(t, "entry"))
		}
		for i := range 2 {
			atomic.StoreUint64(r.pubWord(i, layout.PubIntent), word.Draw(t, "intent"))
		}
		atomic.StoreUint64(r.word(layout.HeaderCertified), word.Draw(t, "certified"))
		r.Head()
		r.headFrom(word.Draw(t, "from"))
		p := openPublisher(t, r, 0)
		p.limit = word.Draw(t, "limit")
		p.Exchange(0, 0)
	})
}

func TestFormatAtRoundsDown(t *testing.T) {
	r := newRing(t, geometry(8, 2, 1))
	r.FormatAt(1003)
	if h := r.Head(); h != 1000 {
		t.Errorf("head %d", h)
	}
	if r.Slots() != 8 || r.Layout().Geometry != geometry(8, 2, 1) {
		t.Error("the ring does not know its geometry")
	}
	expectBalance(t, r)
	c := r.Reader(FromOldest())
	if c.Next() != 992 {
		t.Errorf("oldest %d", c.Next())
	}
}

// A damaged certified position above the head does not mislead the search for the head.
func TestCertifiedBeyondTheHead(t *testing.T) {
	r := newRing(t, benchGeometry(48, 1))
	p := openPublisher(t, r, 0)
	for range 5 {
		benchPublish(p, []byte{1})
	}
	for _, wrong := range []uint64{6, 100, 1 << 40, ^uint64(0)} {
		atomic.StoreUint64(r.word(layout.HeaderCertified), wrong)
		require.EqualValues(t, 5, r.Head(), "%d", wrong)
		require.EqualValues(t, 5, r.headFrom(0), "%d", wrong)
	}
}
