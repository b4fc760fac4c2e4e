package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
	"shmbus/sysvshm"
)

// recreatePause is the pause before a keeper makes a bus again, if the last one was removed sooner
// than that.
const recreatePause = time.Second

// A keeper keeps one bus.
type keeper struct {
	d    *daemon
	log  *slog.Logger
	spec spec // but for removeOnExit not changed after start

	removeOnExit atomic.Bool

	bus    *bus.Bus
	since  time.Time
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended
	err    error         // valid once done is closed, or the keeper came through ended
}

// start makes or adopts the bus and begins to watch it.
func (k *keeper) start() error {
	k.removeOnExit.Store(k.spec.RemoveOnExit)
	if err := k.open(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	k.cancel, k.done = cancel, make(chan struct{})
	go func() {
		k.err = k.keep(ctx)
		close(k.done)
		if ctx.Err() == nil {
			select {
			case k.d.ended <- k:
			case <-ctx.Done():
			}
		}
	}()
	return nil
}

// stop ends the watching and leaves the bus. With removing it removes the bus if the spec says so.
func (k *keeper) stop(removing bool) error {
	k.cancel()
	<-k.done
	if k.bus == nil {
		return k.err
	}
	kept := k.bus.Kept()
	err := k.bus.Close()
	k.bus = nil
	if removing && k.removeOnExit.Load() {
		if rmErr := bus.Remove(k.spec.Name); rmErr != nil && !errors.Is(rmErr, bus.ErrNotFound) {
			return errors.Join(err, rmErr)
		}
		k.log.Info("removed the bus")
		return err
	}
	switch {
	case kept != nil:
		k.log.Warn("left the bus, which does not stay", "error", kept)
	case sysvshm.ForcedRemoval():
		k.log.Info("left the bus, which stays for as long as others have it attached (kernel.shm_rmid_forced is 1)")
	default:
		k.log.Info("left the bus, which stays")
	}
	return err
}

// change applies the settings of a new configuration that can change while a bus exists.
func (k *keeper) change(s spec) {
	k.removeOnExit.Store(s.RemoveOnExit)
	old := k.spec
	s.RemoveOnExit = old.RemoveOnExit
	if s != old {
		k.log.Warn("sizes, mode, group and on-removed take effect when busd starts and the bus is made: remove the bus and restart busd to change them")
	}
}

// open makes or adopts the bus, and logs which of the two.
func (k *keeper) open() error {
	opts := append(k.spec.options(), bus.WithDaemon(), bus.WithClientName("busd"))
	b, created, err := bus.OpenOrCreate(k.spec.Name, opts...)
	if errors.Is(err, bus.ErrInvalid) {
		return &cli.UsageError{Err: err}
	}
	if err != nil {
		return err
	}
	k.bus, k.since = b, time.Now()
	if sysvshm.ForcedRemoval() {
		k.log.Warn("kernel.shm_rmid_forced is 1: the kernel destroys the bus when busd ends and nobody else has it attached; " +
			"sysctl -w kernel.shm_rmid_forced=0 keeps it")
	}
	g := b.Sizes()
	what := "adopted the bus"
	if created {
		what = "created the bus"
	}
	k.log.Info(what, "slots", g.Slots, "slot_size", g.SlotSize, "segment", cli.Bytes(uint64(g.Segment)),
		"publishers", g.Publishers, "subscribers", g.Subscribers, "topics", g.Topics,
		"key", fmt.Sprintf("%#08x", uint32(b.Key())), "shmid", b.ShmID(), "semid", b.SemID())
	if created {
		if list := k.spec.adjusted(); len(list) > 0 {
			k.log.Warn("sizes are not as asked for", "sizes", strings.Join(list, ", "))
		}
		return nil
	}
	if diff := k.spec.differs(g); len(diff) > 0 {
		k.log.Warn("the bus exists with other sizes than asked for; to change them, remove it first (busd rm)", "has", strings.Join(diff, ", "))
	}
	if s, err := b.Snapshot(); err == nil {
		if diff := k.spec.permissions(s); len(diff) > 0 {
			k.log.Warn("the bus exists with another mode or group than asked for, which decide who may use it; to change them, remove it first (busd rm)", "has", strings.Join(diff, ", "))
		}
		for _, c := range otherDaemons(s, os.Getpid()) {
			k.log.Warn("another busd serves this bus already; both may, one is enough", "pid", c.Pid, "name", c.Name)
		}
	}
	return nil
}

// keep watches the bus until ctx ends, which is not an error, or the bus is gone.
func (k *keeper) keep(ctx context.Context) error {
	for {
		err := k.watch(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case !errors.Is(err, bus.ErrRemoved):
			return errors.Join(fmt.Errorf("bus %s: watching for deaths: %w", k.spec.Name, err), k.close())
		case k.spec.OnRemoved == removedExit:
			return errors.Join(fmt.Errorf("bus %s was removed (--on-removed recreate would make it again)", k.spec.Name), k.close())
		}
		k.log.Warn("the bus was removed; making it again")
		if err := k.close(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(recreatePause - time.Since(k.since)):
		}
		if err := k.reopen(); err != nil {
			return err
		}
		k.d.notify.status(k.d.summary())
	}
}

// watch reports deaths and trouble until ctx ends or the bus is gone.
func (k *keeper) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var looks sync.WaitGroup
	looks.Go(func() { (&trouble{log: k.log}).watch(ctx, k.bus) })
	defer looks.Wait()
	defer cancel()
	return k.bus.WatchDeaths(ctx, k.death)
}

// reopen makes the bus again, or adopts one that another process has made meanwhile.
func (k *keeper) reopen() error {
	err := k.open()
	if !errors.Is(err, bus.ErrRemoved) {
		return err
	}
	// Either the segment or the set is left. No new bus can have the name before that is removed.
	if err := bus.Remove(k.spec.Name); err != nil && !errors.Is(err, bus.ErrNotFound) {
		return err
	}
	return k.open()
}

func (k *keeper) close() error {
	err := k.bus.Close()
	k.bus = nil
	if errors.Is(err, bus.ErrRemoved) {
		return nil
	}
	return err
}

func (k *keeper) death(d bus.Death) {
	k.log.Warn("a client died; cleared what it left", "pid", d.Pid, "name", d.Name, "client", d.Client,
		"publishers", d.Publishers, "subscribers", d.Subscribers)
	k.d.died(1)
}
