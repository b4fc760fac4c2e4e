package main

import (
	"fmt"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
)

// A blockage is a reliable subscription that leaves publishers no room.
type blockage struct {
	by      bus.SubscriberStatus
	waiting []bus.PublisherStatus // that wait for room now; those that do not sleep while they wait, or that fail, are not seen
	stopped bool                  // the subscriber's process is
}

// blockageOf returns what keeps publishers from publishing: of the subscriptions that they wait for the one that is furthest
// behind, if the ring is full for it, or if it is all but full and a publisher waits, with a message of several slots. ok is false if nothing does.
func blockageOf(s bus.Snapshot) (b blockage, ok bool) {
	for _, u := range s.Subscribers {
		if u.Alive && u.Gate == "closed" && (!ok || u.Lag > b.by.Lag) {
			b.by, ok = u, true
		}
	}
	for _, p := range s.Publishers {
		if p.Alive && p.Waiting {
			b.waiting = append(b.waiting, p)
		}
	}
	slots := uint64(s.Geometry.Slots)
	if !ok || b.by.Lag < slots && (len(b.waiting) == 0 || b.by.Lag < slots/2) {
		return blockage{}, false
	}
	b.stopped = stoppedClients(s)[b.by.Client]
	return b, true
}

// String says who blocks whom.
func (b blockage) String() string {
	doing := "does not read"
	if b.stopped {
		doing = "is stopped"
	}
	return fmt.Sprintf("%s (pid %d), which subscribes to %s with policy %s, %s and is %s behind; %s",
		cli.Printable(b.by.Name), b.by.Pid, cli.Printable(b.by.Pattern), b.by.Policy, doing, cli.Plural(b.by.Lag, "position"), b.waits())
}

func (b blockage) waits() string {
	switch len(b.waiting) {
	case 0:
		return "no publisher waits just now"
	case 1:
		return "1 publisher waits"
	}
	return fmt.Sprintf("%d publishers wait", len(b.waiting))
}
