package main

import (
	"time"

	"shmbus/bus"
)

// rates are what two looks at a bus say about its speed, per second.
type rates struct {
	Interval    time.Duration
	Messages    float64 // of all topics
	Bytes       float64
	Positions   float64 // that messages took
	Deaths      float64
	Publishers  map[int]rate // by the number of the record
	Subscribers map[int]rate
}

// rate is the speed of one publisher or subscriber.
type rate struct{ Messages, Bytes float64 }

// ratesBetween compares two snapshots. A record that has another owner, or none, in the earlier one has no rate.
func ratesBetween(before, after bus.Snapshot) rates {
	r := rates{Interval: after.Taken.Sub(before.Taken), Publishers: map[int]rate{}, Subscribers: map[int]rate{}}
	seconds := r.Interval.Seconds()
	if seconds <= 0 || before.UUID != after.UUID {
		return r
	}
	// Counts are read while others write them: one may seem to go back.
	per := func(before, after uint64) float64 { return max(float64(int64(after-before)), 0) / seconds }

	r.Positions = per(before.Head, after.Head)
	messages, bytes := published(before)
	messagesNow, bytesNow := published(after)
	r.Messages, r.Bytes = per(messages, messagesNow), per(bytes, bytesNow)
	r.Deaths = per(before.Deaths, after.Deaths)
	type owner struct {
		index, client int
		since         time.Time
	}
	publishers := map[owner]bus.PublisherStatus{}
	for _, p := range before.Publishers {
		publishers[owner{p.Index, p.Client, p.Since}] = p
	}
	for _, p := range after.Publishers {
		if old, ok := publishers[owner{p.Index, p.Client, p.Since}]; ok {
			r.Publishers[p.Index] = rate{per(old.Messages, p.Messages), per(old.Bytes, p.Bytes)}
		}
	}
	subscribers := map[owner]bus.SubscriberStatus{}
	for _, s := range before.Subscribers {
		subscribers[owner{s.Index, s.Client, s.Since}] = s
	}
	for _, s := range after.Subscribers {
		if old, ok := subscribers[owner{s.Index, s.Client, s.Since}]; ok {
			r.Subscribers[s.Index] = rate{per(old.Received, s.Received), per(old.Bytes, s.Bytes)}
		}
	}
	return r
}

// published returns how many messages were published on all topics since the bus was made, and how many bytes.
func published(s bus.Snapshot) (messages, bytes uint64) {
	for _, t := range s.Topics {
		messages, bytes = messages+t.Messages, bytes+t.Bytes
	}
	return messages, bytes
}
