package topics

import (
	"runtime"
	"sync"
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/segment"
	"shmbus/layout"
)

// A Table is what this process knows of the topics in a segment. Topics are only ever added, so
// what is known stays true.
type Table struct {
	seg *segment.Segment

	mu     sync.Mutex
	byID   []*topic       // nil where the record is not ready yet
	byName map[string]int // the lowest number with that name
	ready  int            // all records below are ready
}

// A topic is a record that is ready.
type topic struct {
	name string // "" if the record is damaged
	tag  uint32
}

// NewTable returns a Table of the segment's topics.
func NewTable(seg *segment.Segment) *Table {
	return &Table{seg: seg, byName: make(map[string]int)}
}

// refresh reads the records that have become ready since the last time. The mutex is held.
func (t *Table) refresh() {
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
		name := Name(t.seg, id)
		t.byID[id] = &topic{name: name, tag: layout.TopicTag(layout.TopicHash(name))}
		if _, ok := t.byName[name]; !ok && name != "" {
			t.byName[name] = id
		}
	}
	for t.ready < len(t.byID) && t.byID[t.ready] != nil {
		t.ready++
	}
}

// Name returns the name in topic record id, which is ready. It returns "" if the record is damaged.
func Name(seg *segment.Segment, id int) string {
	length := min(atomic.LoadUint64(seg.Topic(id, layout.TopicLength)), layout.TopicNameSize)
	name := string(seg.Text(seg.Map.Topics.At(id)+layout.TopicName, int(length)))
	hash := atomic.LoadUint64(seg.Topic(id, layout.TopicHashWord))
	if layout.TopicHash(name) != hash || Check(name) != nil {
		return ""
	}
	return name
}

// since calls f for each ready topic from number from on for which done is false. It returns the
// number below which all topics are ready.
func (t *Table) since(from int, done func(id int) bool, f func(id int, t *topic)) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refresh()
	for id := from; id < len(t.byID); id++ {
		if topic := t.byID[id]; topic != nil && !done(id) {
			f(id, topic)
		}
	}
	return t.ready
}

// Find returns the number of the topic, if there is one of that name.
func (t *Table) Find(name string) (id int, ok bool) {
	id, _, ok = t.find(name)
	return id, ok
}

// find is like Find, but also returns how far it looked: if ok is false, no topic below ready has
// the name.
func (t *Table) find(name string) (id, ready int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id, ok := t.byName[name]; ok {
		return id, t.ready, true
	}
	t.refresh()
	id, ok = t.byName[name]
	return id, t.ready, ok
}

// Open returns the number of the topic, which it creates if there is none of that name. me is the
// client that creates it. The error is a [*segment.FullError] if the table has no free record.
//
// Open takes a record by compare-and-swap, fills it, and marks it ready. It passes over a record
// whose creator is slow and does not wait for it. So two processes that create one topic at the
// same moment may make two records of that name. This does no harm, because subscriptions match
// names, and tags are made of names.
func (t *Table) Open(name string, me layout.Owner) (int, error) {
	id, from, ok := t.find(name)
	if ok {
		return id, nil
	}
	seg, n := t.seg, t.seg.Map.Geometry.Topics
	held := layout.MakeOwner(me.Client(), me.Generation(), layout.OwnerHeld)
	ready := layout.MakeOwner(me.Client(), me.Generation(), layout.OwnerReady)
	for id := from; id < n; id++ {
		w := seg.Topic(id, layout.TopicOwner)
		owner := layout.Owner(atomic.LoadUint64(w))
		if owner.State() == layout.OwnerHeld && seg.Alive(owner) {
			// The record may be that of the wanted topic. It is most likely ready in a microsecond.
			for range 100 {
				owner = layout.Owner(atomic.LoadUint64(w))
				if owner.State() != layout.OwnerHeld {
					break
				}
				runtime.Gosched()
			}
			if owner.State() == layout.OwnerHeld {
				continue
			}
		}
		if owner.State() == layout.OwnerReady {
			if known, _, ok := t.find(name); ok {
				return known, nil
			}
			continue
		}
		if !atomic.CompareAndSwapUint64(w, uint64(owner), uint64(held)) {
			continue
		}
		fault.At(fault.TopicTaken)
		// Another process may have created the topic since. Then this record is not needed, but it
		// becomes a second record of the name, because freeing it would leave a hole in the table.
		copy(seg.Text(seg.Map.Topics.At(id)+layout.TopicName, layout.TopicNameSize), name)
		atomic.StoreUint64(seg.Topic(id, layout.TopicLength), uint64(len(name)))
		atomic.StoreUint64(seg.Topic(id, layout.TopicHashWord), layout.TopicHash(name))
		fault.At(fault.TopicFilled)
		atomic.StoreUint64(w, uint64(ready))
		fault.At(fault.TopicReady)
		return id, nil
	}
	if id, _, ok := t.find(name); ok {
		return id, nil
	}
	return 0, &segment.FullError{Table: "topics"}
}
