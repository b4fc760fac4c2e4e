package topics

import (
	"sync/atomic"

	"shmbus/internal/segment"
	"shmbus/layout"
)

// An Interest is the set of topics that one subscription wants, in this process and, unless it is
// passive, in the segment.
type Interest struct {
	All  bool          // every topic is wanted
	Tags layout.TagSet // tags of the wanted topics

	table      *Table
	seg        *segment.Segment
	subscriber int // subscriber record; -1 if passive: publishers are not told
	patterns   []Pattern
	ready      int    // all topics below are matched
	version    uint64 // version of the table at the last match
	known      []bool // by topic number: the topic was matched against the patterns
	wanted     []bool
	names      []string
}

// NewInterest returns the interest of a subscriber record in the topics that match one of the
// patterns. The caller owns the record, and calls [Interest.Match] before it relies on anything.
func NewInterest(t *Table, subscriber int, patterns []Pattern) *Interest {
	in := &Interest{
		table: t, seg: t.seg, subscriber: subscriber, patterns: patterns, version: ^uint64(0),
	}
	for _, p := range patterns {
		in.All = in.All || p.all()
	}
	return in
}

// NewPassive returns a passive interest. It writes nothing to the segment, so publishers do not
// know of it.
func NewPassive(t *Table, patterns []Pattern) *Interest { return NewInterest(t, -1, patterns) }

// Match matches the topics that are new since the last time, and tells publishers which of them the
// subscriber wants. It loads the table's version first, so that a topic that is created meanwhile
// is matched the next time.
func (in *Interest) Match() {
	seg, s := in.seg, in.subscriber
	in.version = atomic.LoadUint64(seg.Header(layout.HeaderTopicVersion))
	in.ready = in.table.since(in.ready, in.has, func(id int, t *topic) {
		for len(in.known) <= id {
			in.known = append(in.known, false)
			in.wanted = append(in.wanted, false)
			in.names = append(in.names, "")
		}
		in.known[id], in.names[id] = true, t.name
		for _, p := range in.patterns {
			if p.Matches(t.name) {
				in.wanted[id] = true
				in.Tags.Add(t.tag)
				if s >= 0 {
					atomic.OrUint64(&seg.Interest(id)[s/64], 1<<(s%64))
				}
				break
			}
		}
	})
	if s >= 0 {
		atomic.StoreUint64(seg.Sub(s, layout.SubMatched), uint64(in.ready))
	}
}

// Stale reports whether there may be topics that were not matched yet.
func (in *Interest) Stale() bool {
	if in.subscriber < 0 {
		return in.unmatched()
	}
	return atomic.LoadUint64(in.seg.Header(layout.HeaderTopicVersion)) != in.version
}

// unmatched reports whether a topic is ready that was not matched yet. A passive interest cannot
// rely on the table's version: publishers raise it only for subscribers that they know of.
func (in *Interest) unmatched() bool {
	for id := in.ready; id < in.seg.Map.Geometry.Topics; id++ {
		owner := layout.Owner(atomic.LoadUint64(in.seg.Topic(id, layout.TopicOwner)))
		if owner == 0 {
			return false
		}
		if owner.State() == layout.OwnerReady && !in.has(id) {
			return true
		}
	}
	return false
}

// has reports whether topic id was matched.
func (in *Interest) has(id int) bool { return id < len(in.known) && in.known[id] }

// Topic returns the name of topic id, "" if its record is damaged, and whether it is wanted. known
// is false if it was not matched yet.
func (in *Interest) Topic(id uint16) (name string, wanted, known bool) {
	if int(id) >= len(in.known) || !in.known[id] {
		return "", false, false
	}
	return in.names[id], in.wanted[id], true
}
