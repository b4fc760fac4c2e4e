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

// WatchDeaths waits for clients to die, reclaims their records, and reports each death to f, which
// may be nil. It returns when ctx ends or the bus is closed or removed. Any number of processes may
// watch, with or without a daemon. Each hears of every death, unless so many clients join that the
// record of a dead one is in use again before the watcher looks. One of the watchers reclaims the
// records.
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

// Reap reclaims the records of dead clients, and returns the number of deaths that nobody had noted
// before. Watchers do the same. A record that nobody has reclaimed is taken over by the next client
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
