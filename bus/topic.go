package bus

import (
	"runtime"
	"sync"
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/segment"
	"shmbus/layout"
)

// A topicTable is what this process knows of the topics in the segment. Topics are only ever
// added, so what is known stays true.
type topicTable struct {
	seg *segment.Segment

	mu     sync.Mutex
	byID   []*topicInfo   // nil where the record is not ready yet
	byName map[string]int // the lowest number with that name
	ready  int            // all records below are ready
}

type topicInfo struct {
	name string // "" if the record is damaged
	tag  uint32
}

func newTopicTable(seg *segment.Segment) *topicTable {
	return &topicTable{seg: seg, byName: make(map[string]int)}
}

// refresh reads the records that have become ready since.
func (t *topicTable) refresh() {
	n := t.seg.Map.Geometry.Topics
	for id := t.ready; id < n; id++ {
		if id < len(t.byID) && t.byID[id] != nil {
			continue
		}
		owner := layout.Owner(atomic.LoadUint64(t.seg.Topic(id, layout.TopicOwner)))
		if owner == 0 {
			break
		}
		for len(t.byID) <= id {
			t.byID = append(t.byID, nil)
		}
		if owner.State() != layout.OwnerReady {
			continue
		}
		name := topicName(t.seg, id)
		t.byID[id] = &topicInfo{name: name, tag: layout.TopicTag(layout.TopicHash(name))}
		if _, ok := t.byName[name]; !ok && name != "" {
			t.byName[name] = id
		}
	}
	for t.ready < len(t.byID) && t.byID[t.ready] != nil {
		t.ready++
	}
}

// topicName returns the name in a topic record that is ready, and "" for one that is damaged.
func topicName(s *segment.Segment, id int) string {
	length := min(atomic.LoadUint64(s.Topic(id, layout.TopicLength)), layout.TopicNameSize)
	name := string(s.Text(s.Map.Topics.At(id)+layout.TopicName, int(length)))
	if layout.TopicHash(name) != atomic.LoadUint64(s.Topic(id, layout.TopicHashWord)) || ValidTopic(name) != nil {
		return ""
	}
	return name
}

// since calls f for every ready topic from number from on that done does not have yet, and returns the number below which all
// topics are ready.
func (t *topicTable) since(from int, done func(id int) bool, f func(id int, info *topicInfo)) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refresh()
	for id := from; id < len(t.byID); id++ {
		if info := t.byID[id]; info != nil && !done(id) {
			f(id, info)
		}
	}
	return t.ready
}

func (t *topicTable) find(name string) (int, bool) {
	id, _, ok := t.search(name)
	return id, ok
}

// search is find that says below which number all topics were ready, and none had the name, if it has not found it.
func (t *topicTable) search(name string) (id, ready int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id, ok := t.byName[name]; ok {
		return id, t.ready, true
	}
	t.refresh()
	id, ok = t.byName[name]
	return id, t.ready, ok
}

// open returns the number of the topic, which it creates if need be.
//
// A record is taken by compare-and-swap, filled, then marked ready. One whose creator is slow is passed over, not
// waited for, so two processes that create the same topic at the same moment may make two records of
// that name. That is harmless: subscribers go by the name, and so do tags.
func (t *topicTable) open(name string, me client) (int, error) {
	id, from, ok := t.search(name)
	if ok {
		return id, nil
	}
	seg, n := t.seg, t.seg.Map.Geometry.Topics
	held, ready := me.owner(layout.OwnerHeld), me.owner(layout.OwnerReady)
	for id := from; id < n; id++ {
		w := seg.Topic(id, layout.TopicOwner)
		owner := layout.Owner(atomic.LoadUint64(w))
		if owner.State() == layout.OwnerHeld && seg.Alive(owner) {
			// Most likely it is ready in a microsecond, and may be the one that is wanted.
			for range 100 {
				if owner = layout.Owner(atomic.LoadUint64(w)); owner.State() != layout.OwnerHeld {
					break
				}
				runtime.Gosched()
			}
			if owner.State() == layout.OwnerHeld {
				continue
			}
		}
		if owner.State() == layout.OwnerReady {
			if known, ok := t.find(name); ok {
				return known, nil
			}
			continue
		}
		if !atomic.CompareAndSwapUint64(w, uint64(owner), uint64(held)) {
			continue
		}
		fault.At(fault.TopicTaken)
		// Another may have created it since: then this record is not needed, but it cannot be given
		// back without a hole, so it becomes a second record of the name.
		copy(seg.Text(seg.Map.Topics.At(id)+layout.TopicName, layout.TopicNameSize), name)
		atomic.StoreUint64(seg.Topic(id, layout.TopicLength), uint64(len(name)))
		atomic.StoreUint64(seg.Topic(id, layout.TopicHashWord), layout.TopicHash(name))
		fault.At(fault.TopicFilled)
		atomic.StoreUint64(w, uint64(ready))
		fault.At(fault.TopicReady)
		return id, nil
	}
	if id, ok := t.find(name); ok {
		return id, nil
	}
	return 0, tableFull(seg, "topics")
}
