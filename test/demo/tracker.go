//go:build linux

package main

import (
	"slices"
	"time"

	"shmbus/bus"
)

// A tracker makes rates of the counts in snapshots.
type tracker struct{ kept []sampled }

// rateOver is the time that rates are from.
const rateOver = time.Second

// sampled is what a tracker keeps of a snapshot.
type sampled struct {
	at     time.Time
	head   uint64
	posts  uint64
	bytes  uint64
	count  uint64
	topics map[string]uint64
	subs   map[[2]int]uint64 // by index and pid
}

func (t *tracker) add(s bus.Snapshot) {
	now := sampled{at: s.Taken, head: s.Head, posts: s.Posts, topics: map[string]uint64{}, subs: map[[2]int]uint64{}}
	for _, t := range s.Topics {
		now.topics[t.Name] = t.Messages
		now.count += t.Messages
		now.bytes += t.Bytes
	}
	for _, s := range s.Subscribers {
		now.subs[[2]int{s.Index, s.Pid}] = s.Received
	}
	t.kept = append(t.kept, now)
	for len(t.kept) > 2 && now.at.Sub(t.kept[1].at) >= rateOver {
		t.kept = slices.Delete(t.kept, 0, 1)
	}
}

// rates are numbers a second.
type rates struct {
	messages, bytes, posts float64
	topics                 map[string]float64
	subs                   map[[2]int]float64
}

func (t *tracker) rates() rates {
	r := rates{topics: map[string]float64{}, subs: map[[2]int]float64{}}
	if len(t.kept) < 2 {
		return r
	}
	a, b := t.kept[0], t.kept[len(t.kept)-1]
	seconds := b.at.Sub(a.at).Seconds()
	// A record that changes its owner while it is read may count backwards for a moment.
	per := func(x, y uint64) float64 { return max(0, float64(int64(y-x))/seconds) }
	r.messages, r.bytes, r.posts = per(a.count, b.count), per(a.bytes, b.bytes), per(a.posts, b.posts)
	for name, n := range b.topics {
		r.topics[name] = per(a.topics[name], n)
	}
	for key, n := range b.subs {
		r.subs[key] = per(a.subs[key], n)
	}
	return r
}
