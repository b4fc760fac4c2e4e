//go:build linux

package main

import (
	"time"

	"shmbus/bus"
)

// twoLooks returns snapshots half a second apart, with something in all columns.
func twoLooks() (before, after bus.Snapshot) {
	sizes, _ := bus.NewSizes()
	sizes.Segment = 3 << 20
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	make := func(taken time.Time, n uint64) bus.Snapshot {
		return bus.Snapshot{
			Name: "prices", UUID: "u", Key: 0x1234, ShmID: 5, SemID: 6, State: "live", Created: start.Add(-time.Hour), Taken: taken,
			Path: "/run/shmbus/prices.shmbus", UID: 64998, GID: 64999, Mode: 0o640,
			Sizes: sizes, Head: 1000 * n, Oldest: 0, Fill: float64(n) / 16, Backlog: 0.25, Deaths: 1, Posts: 2, Evictions: 3, Reclaimed: 4,
			Clients: []bus.ClientStatus{
				{Index: 0, Pid: 10, Name: "busd", Since: start.Add(-time.Minute), Alive: true, Daemon: true},
				{Index: 1, Pid: 11, Name: "feed", Since: start, Alive: true},
				{Index: 2, Pid: 12, Name: "gone\x1b[2J", Since: start},
			},
			Publishers: []bus.PublisherStatus{
				{Index: 0, Client: 1, Pid: 11, Name: "feed", Topic: "eu.a", Position: 1000*n - 1, Messages: 1000 * n, Bytes: 64000 * n, Alive: true, Since: start},
				{Index: 1, Client: 1, Pid: 11, Name: "feed", Topic: "eu.b", Waiting: true, Alive: true, Since: taken},
			},
			Subscribers: []bus.SubscriberStatus{
				{Index: 0, Client: 1, Pid: 11, Name: "feed", Pattern: "eu.>", Policy: "reliable", Gate: "closed", Position: 990 * n, Lag: 10 * n,
					Received: 990 * n, Bytes: 100 * n, Lost: 7, Asleep: true, Alive: true, Since: start},
				{Index: 1, Client: 1, Pid: 11, Name: "feed", Pattern: "us.>", Policy: "evict", Gate: "evicted", Alive: true, Since: start},
			},
			Topics: []bus.TopicStatus{
				{ID: 0, Name: "eu.b"},
				{ID: 1, Name: "eu.a", Messages: 1000 * n, Bytes: 64000 * n, Publishers: 1, Subscribers: 1},
			},
		}
	}
	before, after = make(start, 1), make(start.Add(500*time.Millisecond), 2)
	after.SetRates(before)
	return before, after
}
