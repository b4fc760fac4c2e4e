package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"shmbus/cmd/internal/cli"
)

// A daemon keeps buses until its context ends.
type daemon struct {
	log       *slog.Logger
	notify    *notifier
	reread    func() ([]spec, error) // the configuration as it is now
	hasConfig bool

	keepers map[string]*keeper // by the name of the bus; run's goroutine only
	ended   chan *keeper       // keepers that gave up
	deaths  atomic.Int64
	count   atomic.Int64 // of keepers, for those who report a death

	telling sync.Mutex // keeps the manager from hearing an older summary after a newer one
	ready   bool       // the manager knows; under telling
}

func newDaemon(log *slog.Logger, n *notifier) *daemon {
	return &daemon{log: log, notify: n, keepers: map[string]*keeper{}, ended: make(chan *keeper)}
}

// run keeps the buses, rereads the configuration with each signal, and returns when ctx ends or
// when no bus is left to keep.
func (d *daemon) run(ctx context.Context, specs []spec, reload <-chan os.Signal) error {
	if err := d.update(specs); err != nil {
		return errors.Join(err, d.stop(false))
	}
	d.tellReady()
	for {
		select {
		case <-ctx.Done():
			d.log.Info("stopping", "reason", context.Cause(ctx))
			d.notify.stopping("stopping")
			return d.stop(true)
		case <-reload:
			d.notify.reloading()
			d.reload()
			d.tellReady()
		case k := <-d.ended:
			k.cancel()
			d.forget(k)
			if len(d.keepers) == 0 {
				d.notify.stopping("no bus left")
				return k.err
			}
			d.log.Error("gave up a bus", "bus", k.spec.Name, "error", k.err)
			d.tellStatus()
		}
	}
}

func (d *daemon) tellReady() {
	d.telling.Lock()
	defer d.telling.Unlock()
	d.ready = true
	d.notify.ready(d.summary())
}

// tellStatus says nothing as long as not all buses are there: then the first summary tells it.
func (d *daemon) tellStatus() {
	d.telling.Lock()
	defer d.telling.Unlock()
	if d.ready {
		d.notify.status(d.summary())
	}
}

// reload applies the present configuration. If the configuration is wrong, nothing changes.
func (d *daemon) reload() {
	if !d.hasConfig {
		d.log.Warn("SIGHUP: there is no configuration file to reread (--config)")
		return
	}
	specs, err := d.reread()
	if err == nil {
		err = d.update(specs)
	}
	if err != nil {
		d.log.Error("the configuration was not taken over", "error", err)
		return
	}
	d.log.Info("configuration reread", "buses", len(specs))
}

// update makes or adopts the buses that are new in specs, and leaves those that are no longer in
// it. It continues after an error, and returns all errors.
func (d *daemon) update(specs []spec) error {
	wanted := map[string]bool{}
	var errs []error
	for _, s := range specs {
		wanted[s.Name] = true
		if k, ok := d.keepers[s.Name]; ok {
			k.change(s)
			continue
		}
		k := &keeper{d: d, log: d.log.With("bus", s.Name), spec: s}
		if err := k.start(); err != nil {
			errs = append(errs, err)
			continue
		}
		d.keepers[s.Name] = k
		d.count.Add(1)
	}
	for name, k := range d.keepers {
		if !wanted[name] {
			errs = append(errs, k.stop(false))
			d.forget(k)
			k.log.Info("left the bus, which is no longer in the configuration")
		}
	}
	return errors.Join(errs...)
}

// stop stops all keepers. With removing, those that are set to remove their bus at exit do so.
func (d *daemon) stop(removing bool) error {
	var errs []error
	for _, k := range d.sorted() {
		errs = append(errs, k.stop(removing))
		d.forget(k)
	}
	return errors.Join(errs...)
}

func (d *daemon) forget(k *keeper) {
	if d.keepers[k.spec.Name] == k {
		delete(d.keepers, k.spec.Name)
		d.count.Add(-1)
	}
}

func (d *daemon) sorted() []*keeper {
	list := make([]*keeper, 0, len(d.keepers))
	for _, k := range d.keepers {
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b *keeper) int { return cmp.Compare(a.spec.Name, b.spec.Name) })
	return list
}

// died counts deaths, for the service manager.
func (d *daemon) died(n int64) {
	d.deaths.Add(n)
	d.tellStatus()
}

func (d *daemon) summary() string {
	return fmt.Sprintf("watching %s, %s so far", cli.Plural(d.count.Load(), "bus"), cli.Plural(d.deaths.Load(), "death"))
}
