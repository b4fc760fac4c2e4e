package bus

import (
	"context"
	"time"

	"shmbus/internal/members"
)

// A Death is a client that ended without leaving the bus, as [Bus.WatchDeaths] reports it.
type Death struct {
	Client      int
	Pid         int // in the client's own pid namespace
	Name        string
	Publishers  int // records it had that nobody had reclaimed yet
	Subscribers int
	At          time.Time // when it was noticed
}

// WatchDeaths waits for clients to die, reclaims what they left, and reports each to f, which may
// be nil. It returns when ctx ends or the bus is closed or removed. Any number of processes may
// watch, whether or not there is a daemon, and each hears of every death, unless clients are so
// many that the dead one's record is in use again before it looks. What the dead left is reclaimed
// by one of them.
func (b *Bus) WatchDeaths(ctx context.Context, f func(Death)) error {
	const op = "watch deaths of"
	if err := alive(ctx); err != nil {
		return b.fail(op, err)
	}
	if err := b.adopt(); err != nil {
		return b.fail(op, err)
	}
	defer b.unref()
	return b.fail(op, b.watchDeaths(ctx, f))
}

// watchDeaths is WatchDeaths for a call that has adopted the handle.
func (b *Bus) watchDeaths(ctx context.Context, f func(Death)) error {
	var report func(members.Death)
	if f != nil {
		report = func(d members.Death) { f(Death(d)) }
	}
	err := b.member.WatchDeaths(ctx, report)
	if b.member.Stopped() {
		return ErrClosed
	}
	return err
}

// Reap reclaims what dead clients left, and returns how many it found that nobody else had. Whoever
// watches for deaths does the same; a record that nobody reclaimed is taken over by the next client
// that needs one.
func (b *Bus) Reap() (int, error) {
	const op = "reap the dead of"
	if err := b.adopt(); err != nil {
		return 0, b.fail(op, err)
	}
	defer b.unref()
	n, err := b.member.Reap()
	return n, b.fail(op, err)
}
