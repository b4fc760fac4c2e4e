//go:build linux

package main

import (
	"encoding/binary"
	"math/rand/v2"

	"shmbus/layout"
)

// An area is a part of the segment that gets its share of the mutations.
type area struct {
	name   string
	weight int
	pick   func(r *rand.Rand, m layout.Map) int // offset of a word
}

// busy returns a record's number: mostly one of the first, which are those in use.
func busy(r *rand.Rand, n int) int {
	if r.IntN(4) > 0 {
		n = min(n, 8)
	}
	return r.IntN(n)
}

// field returns the offset of one of the named words of a record, or now and then of any word.
func field(r *rand.Rand, at, size int, words ...int) int {
	if r.IntN(5) == 0 {
		return at + 8*r.IntN(size/8)
	}
	return at + words[r.IntN(len(words))]
}

var areas = []area{
	{"identity", 2, func(r *rand.Rand, _ layout.Map) int { return 8 * r.IntN(layout.HeaderState/8) }},
	{"header", 12, func(r *rand.Rand, _ layout.Map) int {
		return field(r, 0, layout.HeaderSize, layout.HeaderTopicVersion, layout.HeaderClientHigh, layout.HeaderPubHigh, layout.HeaderSubHigh,
			layout.HeaderCertified, layout.HeaderCertified, layout.HeaderDeaths, layout.HeaderPosts, layout.HeaderSleepers, layout.HeaderSleepers, layout.HeaderGates,
			layout.HeaderGates, layout.HeaderGates+8, layout.HeaderBlocked, layout.HeaderBlocked+8)
	}},
	{"state", 1, func(*rand.Rand, layout.Map) int { return layout.HeaderState }},
	{"clients", 8, func(r *rand.Rand, m layout.Map) int {
		return field(r, m.Clients.At(busy(r, m.Clients.Count)), layout.ClientRecordSize, layout.ClientStateWord, layout.ClientPid, layout.ClientName)
	}},
	{"publishers", 14, func(r *rand.Rand, m layout.Map) int {
		return field(r, m.Publishers.At(busy(r, m.Publishers.Count)), layout.PublisherRecordSize, layout.PubIntent, layout.PubMessages, layout.PubOwned,
			layout.PubOwned+8, layout.PubOwned+16, layout.PubWake, layout.PubOwner, layout.PubTopic)
	}},
	{"subscribers", 14, func(r *rand.Rand, m layout.Map) int {
		return field(r, m.Subscribers.At(busy(r, m.Subscribers.Count)), layout.SubscriberRecordSize, layout.SubCursor, layout.SubWake, layout.SubWake,
			layout.SubOwner, layout.SubGate, layout.SubGate, layout.SubPolicy, layout.SubPatience, layout.SubMatched, layout.SubPattern)
	}},
	{"topics", 8, func(r *rand.Rand, m layout.Map) int {
		return field(r, m.Topics.At(busy(r, m.Topics.Count)), layout.TopicRecordSize, layout.TopicOwner, layout.TopicHashWord, layout.TopicLength, layout.TopicName, layout.TopicName+8)
	}},
	{"interest", 5, func(r *rand.Rand, m layout.Map) int {
		return m.Interest.At(busy(r, m.Interest.Count)) + 8*r.IntN(m.Geometry.SubscriberWords())
	}},
	{"entries", 16, func(r *rand.Rand, m layout.Map) int { return m.Entries.At(r.IntN(m.Entries.Count)) }},
	{"slot headers", 12, func(r *rand.Rand, m layout.Map) int { return m.Slots.At(r.IntN(m.Slots.Count)) + 8*r.IntN(2) }},
	{"fragment prefixes", 5, func(r *rand.Rand, m layout.Map) int {
		return m.Slots.At(r.IntN(m.Slots.Count)) + layout.FrameHeaderSize
	}},
	{"payloads", 3, func(r *rand.Rand, m layout.Map) int {
		return m.Slots.At(r.IntN(m.Slots.Count)) + layout.FrameHeaderSize + 8*r.IntN(m.Geometry.SlotPayload()/8)
	}},
}

// A kind is a way to change what stands at an offset, a multiple of 8.
type kind struct {
	name   string
	weight int
	change func(r *rand.Rand, b []byte, at int)
}

// word makes a kind of a function of the word that is there.
func word(f func(r *rand.Rand, old uint64) uint64) func(*rand.Rand, []byte, int) {
	return func(r *rand.Rand, b []byte, at int) {
		le := binary.LittleEndian
		le.PutUint64(b[at:], f(r, le.Uint64(b[at:])))
	}
}

// plausible is a word as far as a reader can tell that has another field wrong: extremes in one
// half only.
func plausible(r *rand.Rand, old uint64) uint64 {
	extremes := []uint32{0, 1, 2, 3, 1<<20 - 1, 1 << 16, 1<<16 - 1, 1<<31 - 1, 1 << 31, 1<<32 - 1}
	half := uint64(extremes[r.IntN(len(extremes))])
	if r.IntN(2) == 0 {
		return old&^(1<<32-1) | half
	}
	return old&(1<<32-1) | half<<32
}

var kinds = []kind{
	{"bit", 24, word(func(r *rand.Rand, old uint64) uint64 { return old ^ 1<<r.IntN(64) })},
	{"byte", 8, func(r *rand.Rand, b []byte, at int) { b[at+r.IntN(8)] = byte(r.Uint32()) }},
	{"half", 8, func(r *rand.Rand, b []byte, at int) {
		binary.LittleEndian.PutUint32(b[at+4*r.IntN(2):], r.Uint32())
	}},
	{"word", 8, word(func(r *rand.Rand, _ uint64) uint64 { return r.Uint64() })},
	{"zero", 5, word(func(*rand.Rand, uint64) uint64 { return 0 })},
	{"ones", 5, word(func(*rand.Rand, uint64) uint64 { return ^uint64(0) })},
	{"sign", 4, word(func(_ *rand.Rand, old uint64) uint64 { return old ^ 1<<63 })},
	{"one off", 12, word(func(r *rand.Rand, old uint64) uint64 { return old + uint64(2*r.IntN(2)) - 1 })},
	{"some off", 8, word(func(r *rand.Rand, old uint64) uint64 { return old + 1<<r.IntN(64) - 1<<r.IntN(64) })},
	{"extreme half", 10, word(plausible)},
	{"small", 4, word(func(r *rand.Rand, _ uint64) uint64 { return uint64(r.IntN(16)) })},
	{"copy", 8, func(r *rand.Rand, b []byte, at int) {
		from := 8 * r.IntN(len(b)/8)
		copy(b[at:at+8], b[from:from+8])
	}},
	{"record", 3, func(r *rand.Rand, b []byte, at int) {
		const size = layout.Line
		to, from := at/size*size, r.IntN(len(b)/size)*size
		copy(b[to:to+size], b[from:from+size])
	}},
	{"run", 3, func(r *rand.Rand, b []byte, at int) {
		for n := 2 + r.IntN(15); n > 0 && at < len(b); n, at = n-1, at+8 {
			binary.LittleEndian.PutUint64(b[at:], r.Uint64())
		}
	}},
}

// A mutator damages a segment. Its choices follow from its seed.
type mutator struct {
	r        *rand.Rand
	m        layout.Map
	mem      []byte
	pristine []byte
}

func newMutator(seed uint64, round int, m layout.Map, mem []byte) *mutator {
	return &mutator{r: rand.New(rand.NewPCG(seed, uint64(round))), m: m, mem: mem, pristine: append([]byte(nil), mem[:m.Size]...)}
}

// mutate changes something, and says where and how.
func (u *mutator) mutate() (where, how string) {
	a := weighted(u.r, areas, func(a area) int { return a.weight })
	k := weighted(u.r, kinds, func(k kind) int { return k.weight })
	k.change(u.r, u.mem[:u.m.Size], a.pick(u.r, u.m))
	return a.name, k.name
}

// identify restores what says that this is a bus, without which nobody comes in.
func (u *mutator) identify() { copy(u.mem, u.pristine[:layout.HeaderState+8]) }

// heal brings the segment into the state that it had when it was new: the workers' own ideas are
// wrong then, but who comes anew finds a bus that works, until it is damaged again.
func (u *mutator) heal() { copy(u.mem, u.pristine) }

func weighted[T any](r *rand.Rand, list []T, weight func(T) int) T {
	sum := 0
	for _, v := range list {
		sum += weight(v)
	}
	n := r.IntN(sum)
	for _, v := range list {
		if n -= weight(v); n < 0 {
			return v
		}
	}
	panic("unreachable: n is below the sum")
}
