package bus

import (
	"strings"
	"sync/atomic"

	"shmbus/internal/segment"
	"shmbus/layout"
)

// An interest is which topics a subscription wants, here and in the segment.
type interest struct {
	patterns []pattern
	all      bool   // every topic
	passive  bool   // publishers are not told
	ready    int    // all topics below are matched
	version  uint64 // of the topic table when it was matched last
	known    []bool // by topic number: matched against the patterns
	wanted   []bool
	names    []string
	tags     layout.TagSet // tags of wanted topics
}

func newInterest(patterns []string) (*interest, error) {
	in := &interest{version: ^uint64(0)}
	for _, s := range patterns {
		p, err := parsePattern(s)
		if err != nil {
			return nil, err
		}
		in.patterns = append(in.patterns, p)
		in.all = in.all || p.everything()
	}
	return in, nil
}

// match matches the topics that are new since the last time and tells publishers which of
// them subscriber s wants. The version is read first, so that a topic that comes meanwhile is seen next time.
func (in *interest) match(t *topicTable, s int) {
	seg := t.seg
	in.version = atomic.LoadUint64(seg.Header(layout.HeaderTopicVersion))
	done := func(id int) bool { return id < len(in.known) && in.known[id] }
	in.ready = t.since(in.ready, done, func(id int, info *topicInfo) {
		for len(in.known) <= id {
			in.known = append(in.known, false)
			in.wanted = append(in.wanted, false)
			in.names = append(in.names, "")
		}
		in.known[id], in.names[id] = true, info.name
		for _, p := range in.patterns {
			if p.matches(info.name) {
				in.wanted[id] = true
				in.tags.Add(info.tag)
				if !in.passive {
					atomic.OrUint64(&seg.Interest(id)[s/64], 1<<(s%64))
				}
				break
			}
		}
	})
	if !in.passive {
		atomic.StoreUint64(seg.Sub(s, layout.SubMatched), uint64(in.ready))
	}
}

// stale reports whether there may be topics that were not matched yet.
func (in *interest) stale(seg *segment.Segment) bool {
	if in.passive {
		return in.unseen(seg)
	}
	return atomic.LoadUint64(seg.Header(layout.HeaderTopicVersion)) != in.version
}

func (in *interest) topic(id uint16) (name string, wanted, known bool) {
	if int(id) >= len(in.known) || !in.known[id] {
		return "", false, false
	}
	return in.names[id], in.wanted[id], true
}

func joinPatterns(patterns []string) string { return strings.Join(patterns, " ") }
