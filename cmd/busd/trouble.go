package main

import (
	"context"
	"log/slog"
	"time"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
)

const (
	// troubleBeat is the time between two looks for trouble on a bus that moves. While nothing
	// moves, the time grows to troubleRest.
	troubleBeat = time.Second
	troubleRest = 8 * time.Second
	// stallAfter is the time for which one position must have blocked publishers before it is
	// logged.
	stallAfter = time.Second
	// sayAgain is the time between two log lines about the same trouble.
	sayAgain = time.Minute
)

// A trouble compares looks at a bus, and logs what goes wrong on it: which subscription blocks
// publishers and since when, which were evicted or demoted, and which lose messages. The losses of
// a subscription that left since the last look are not known.
type trouble struct {
	log *slog.Logger

	seen   bool
	last   bus.Snapshot
	stall  stall
	losers map[int]*loser // by the number of the record
}

// A stall is what the looks have found out about the subscription that blocks publishers.
type stall struct {
	at    bus.Blocker
	since time.Time // it was first seen at this position
	said  time.Time // zero: not yet
}

// A loser is a subscription that has lost messages.
type loser struct {
	client int
	lost   uint64    // when it was said last
	said   time.Time // zero: never
}

// watch looks for trouble until ctx ends or the bus is gone.
func (t *trouble) watch(ctx context.Context, b *bus.Bus) {
	for pause := troubleBeat; cli.Sleep(ctx, pause) == nil; {
		s, err := b.Snapshot()
		if err != nil || s.State != "live" {
			return
		}
		if t.look(s) {
			pause = troubleBeat
		} else {
			pause = min(2*pause, troubleRest)
		}
	}
}

// look compares the bus with what it was, and reports whether anything moved or is blocked.
func (t *trouble) look(s bus.Snapshot) bool {
	if !t.seen { // nothing from before the first look is logged
		t.seen, t.last, t.losers = true, s, map[int]*loser{}
		for _, u := range s.Subscribers {
			t.losers[u.Index] = &loser{client: u.Client, lost: u.Lost}
		}
	}
	moved := s.Head != t.last.Head
	t.evictions(s)
	t.losses(s)
	blocked := t.stalls(s)
	t.last = s
	return moved || blocked
}

// stalls logs when publishers have been blocked for stallAfter, from time to time while they are
// blocked, and when they continue.
func (t *trouble) stalls(s bus.Snapshot) bool {
	var b bus.Blocker
	ok := s.BlockedBy != nil
	if ok {
		s.FindStopped()
		b = *s.BlockedBy
	}
	same := ok && b.Subscriber == t.stall.at.Subscriber && b.Client == t.stall.at.Client && b.Position == t.stall.at.Position
	if !same {
		if was := t.stall; !was.said.IsZero() {
			t.log.Info("publishers no longer wait for this subscriber", "pid", was.at.Pid, "name", was.at.Name,
				"pattern", was.at.Pattern, "waited", s.Taken.Sub(was.since).Truncate(time.Millisecond))
		}
		t.stall = stall{at: b, since: s.Taken}
		return ok
	}
	t.stall.at = b
	if s.Taken.Sub(t.stall.since) < stallAfter || !t.stall.said.IsZero() && s.Taken.Sub(t.stall.said) < sayAgain {
		return true
	}
	t.stall.said = s.Taken
	t.log.Warn("publishers wait for a subscriber that does not read (busd evict ends that)", "pid", b.Pid, "name", b.Name,
		"pattern", b.Pattern, "policy", b.Policy, "stopped", b.Stopped, "behind", b.Lag, "waiting", b.Waiting,
		"for", s.Taken.Sub(t.stall.since).Truncate(time.Millisecond))
	return true
}

// evictions logs the subscriptions that publishers have given up since the last look.
func (t *trouble) evictions(s bus.Snapshot) {
	n := s.Evictions - t.last.Evictions
	if int64(n) <= 0 {
		return
	}
	was := map[int]bus.SubscriberStatus{}
	for _, u := range t.last.Subscribers {
		was[u.Index] = u
	}
	for _, u := range s.Subscribers {
		if old := was[u.Index]; (u.Gate == "evicted" || u.Gate == "demoted") && n > 0 && (old.Gate != u.Gate || old.Client != u.Client) {
			n--
			t.log.Warn("publishers have given up waiting for a subscriber", "now", u.Gate, "pid", u.Pid, "name", u.Name,
				"pattern", u.Pattern, "behind", u.Lag)
		}
	}
	if n > 0 {
		t.log.Warn("publishers have given up waiting for subscribers that have left since", "count", n)
	}
}

// losses logs the positions that subscriptions have lost since the last log line about them.
func (t *trouble) losses(s bus.Snapshot) {
	for _, u := range s.Subscribers {
		l := t.losers[u.Index]
		if l == nil || l.client != u.Client || u.Lost < l.lost { // another owner
			l = &loser{client: u.Client}
			t.losers[u.Index] = l
		}
		if u.Lost == l.lost || !l.said.IsZero() && s.Taken.Sub(l.said) < sayAgain {
			continue
		}
		t.log.Warn("a subscriber has lost messages", "pid", u.Pid, "name", u.Name, "pattern", u.Pattern, "policy", u.Policy,
			"positions", u.Lost-l.lost, "positions_in_all", u.Lost, "losses", u.Losses)
		l.lost, l.said = u.Lost, s.Taken
	}
}
