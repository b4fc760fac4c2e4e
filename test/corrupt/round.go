//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"shmbus/bus"
	"shmbus/internal/inspect"
	"shmbus/layout"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// geometries are taken in turn.
var geometries = [][]bus.Option{
	{bus.WithSlots(8), bus.WithSlotSize(64), bus.WithOwnedSlots(2), bus.WithPublishers(6), bus.WithSubscribers(64), bus.WithTopics(16)},
	{bus.WithSlots(64), bus.WithSlotSize(128), bus.WithOwnedSlots(4), bus.WithPublishers(8), bus.WithSubscribers(128), bus.WithTopics(64), bus.WithMaxFrame(3000)},
	{bus.WithSlots(1024), bus.WithSlotSize(256), bus.WithPublishers(64), bus.WithTopics(512)},
	{bus.WithSlots(16), bus.WithSlotSize(4096), bus.WithOwnedSlots(12), bus.WithPublishers(70), bus.WithSubscribers(64), bus.WithTopics(12)},
	{bus.WithSlots(256), bus.WithSlotSize(64), bus.WithPublishers(16), bus.WithSubscribers(1024), bus.WithTopics(2048), bus.WithMaxFrame(2000)},
}

const (
	burst     = 10                   // mutations at a time
	pause     = 4 * time.Millisecond // between bursts
	healEvery = 20                   // bursts: about as long as a worker's session
	nameEvery = 3                    // bursts between two restorations of the bus's identity
)

// play plays one round.
func (c config) play(ctx context.Context, n int, dir string, w *pool, s *summary) error {
	in := bus.WithDir(filepath.Join(dir, "keys"))
	name := fmt.Sprintf("round-%d", n)
	b, err := bus.Create(name, append([]bus.Option{in}, geometries[n%len(geometries)]...)...)
	if err != nil {
		return err
	}
	shm, set := sysvshm.FromID(b.ShmID()), sysvsem.FromID(b.SemID())
	if err := errors.Join(b.Close(), c.damage(ctx, n, shm, order{Name: name, Dir: filepath.Join(dir, "keys"), Seed: c.seed + uint64(n)}, w, s)); err != nil {
		return err
	}
	s.rounds++
	c.examine(n, name, in, s)
	if err := bus.Remove(name, in); err != nil {
		s.violate(n, "the bus can not be removed: %v", err)
	}
	// A process that was killed may still be on its way out.
	st, err := shm.Stat()
	for end := time.Now().Add(c.patience); err == nil && st.Destroy && time.Now().Before(end); st, err = shm.Stat() {
		time.Sleep(time.Millisecond)
	}
	if !errors.Is(err, sysvshm.ErrRemoved) {
		s.violate(n, "the segment is left, with %d mappings, marked for removal: %v", st.Attached, st.Destroy)
		_ = shm.Remove()
	}
	if _, err := set.Stat(); !errors.Is(err, sysvsem.ErrRemoved) {
		s.violate(n, "the semaphore set is left: %v", err)
		_ = set.Remove()
	}
	if path := filepath.Join(dir, "keys", name+".shmbus"); !errors.Is(stat(path), fs.ErrNotExist) {
		s.violate(n, "the key file is left")
		_ = os.Remove(path)
	}
	return nil
}

func stat(path string) error {
	_, err := os.Stat(path)
	return err
}

// damage mutates the segment while the workers use it.
func (c config) damage(ctx context.Context, n int, shm *sysvshm.Segment, o order, w *pool, s *summary) error {
	mapping, err := shm.Attach(sysvshm.ReadWrite)
	if err != nil {
		return err
	}
	defer mapping.Detach()
	_, sections, err := layout.DecodeHeader(mapping.Bytes(), len(mapping.Bytes()))
	if err != nil {
		return err
	}
	u := newMutator(c.seed, n, sections, mapping.Bytes())
	w.order(o)
	time.Sleep(20 * time.Millisecond) // some traffic
	for i := 0; i < c.each && ctx.Err() == nil; {
		for range burst {
			where, how := u.mutate()
			s.areas[where]++
			s.kinds[how]++
			s.mutations++
			i++
		}
		time.Sleep(pause)
		if i/burst%nameEvery == 0 {
			u.identify()
		}
		if i/burst%healEvery == 0 && i < c.each {
			u.heal()
		}
		if i/burst%5 == 0 {
			if err := w.check(n, o); err != nil {
				return err
			}
		}
	}
	err = w.collect(n)
	if n%4 > 0 {
		u.identify() // the examination gets further
	}
	return err
}

// examine looks at the bus as busd doctor does.
func (c config) examine(n int, name string, in bus.Option, s *summary) {
	done := make(chan string)
	go func() {
		o, err := bus.Observe(name, in)
		if err != nil {
			if sentinel(err) == "" {
				s.violate(n, "undocumented error of Observe: %v", err)
			}
			done <- "not a bus any more"
			return
		}
		defer o.Close()
		state, err := o.Snapshot()
		if err != nil {
			s.violate(n, "Snapshot: %v", err)
		}
		damages, err := inspect.Examine(state.ShmID)
		if err != nil && sentinel(err) == "" {
			s.violate(n, "Examine: %v", err)
		}
		found := "nothing found"
		if err != nil || len(damages) > 0 {
			found = "damage found"
		}
		done <- found
	}()
	select {
	case found := <-done:
		s.damage[found]++
	case <-time.After(c.patience):
		s.violate(n, "the examination does not end")
	}
}
