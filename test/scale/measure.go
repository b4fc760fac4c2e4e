//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"shmbus/bus"
	"shmbus/internal/testproc"
)

// A row is what was measured while so many clients slept.
type row struct {
	clients, processes  int
	wake, wake99        time.Duration // there and back, between two that sleep
	heard               time.Duration // from a kill to its report by WatchDeaths
	death               time.Duration // processor time of all who sleep in the second after, less that of a second without
	join, topic, status time.Duration
}

const header = `| clients | processes | wake-up, there and back: p50 | p99 | death heard after | processor time of all for a death | join, subscribe, leave | new topic | status |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |`

func (r row) String() string {
	us := func(d time.Duration) string { return fmt.Sprintf("%.0f µs", float64(d)/1e3) }
	return fmt.Sprintf("| %d | %d | %s | %s | %.1f ms | %.0f ms | %s | %s | %s |", r.clients, r.processes, us(r.wake), us(r.wake99),
		float64(r.heard)/1e6, float64(r.death)/1e6, us(r.join), us(r.topic), us(r.status))
}

// measure makes a bus on which so many clients sleep, and measures.
func measure(ctx context.Context, clients, each, rounds int) (_ row, err error) {
	r := row{clients: clients}
	dir, err := os.MkdirTemp("", "shmbus-scale-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	b, err := bus.Create(busName, bus.WithDir(dir), bus.WithClients(clients+50), bus.WithSubscribers(min(clients+20, 1024)), bus.WithTopics(4096))
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, b.Close(), bus.Remove(busName, bus.WithDir(dir))) }()
	var sleeping []*testproc.Worker
	defer func() {
		for _, p := range sleeping {
			err = errors.Join(err, p.Leave())
		}
	}()
	for left := clients; left > 0; left -= each {
		p, err := start("idle", min(left, each), dir)
		if err != nil {
			return r, err
		}
		sleeping = append(sleeping, p)
	}
	r.processes = len(sleeping)
	if err := allAsleep(b, clients); err != nil {
		return r, err
	}
	if err := r.wakeUps(ctx, b, dir, rounds); err != nil {
		return r, err
	}
	if err := r.deaths(ctx, b, dir, sleeping, max(rounds/400, 1)); err != nil {
		return r, err
	}
	r.join, err = median(rounds/20, func(int) error {
		h, err := bus.Open(busName, bus.WithDir(dir))
		if err != nil {
			return err
		}
		_, err = h.Subscribe("joined")
		return errors.Join(err, h.Close())
	})
	if err != nil {
		return r, err
	}
	r.topic, err = median(rounds/20, func(i int) error {
		p, err := b.Publisher(fmt.Sprintf("new.%d", i))
		if err != nil {
			return err
		}
		return p.Close()
	})
	if err != nil {
		return r, err
	}
	r.status, err = median(rounds/20, func(int) error {
		o, err := bus.Observe(busName, bus.WithDir(dir))
		if err != nil {
			return err
		}
		s, err := o.Snapshot()
		if err == nil && len(s.Clients) < clients {
			err = fmt.Errorf("%d clients are seen, there are more than %d", len(s.Clients), clients)
		}
		return errors.Join(err, o.Close())
	})
	return r, err
}

// allAsleep waits until so many subscriptions sleep.
func allAsleep(b *bus.Bus, n int) error {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		s, err := b.Snapshot()
		if err != nil {
			return err
		}
		asleep := 0
		for _, sub := range s.Subscribers {
			if sub.Asleep {
				asleep++
			}
		}
		if asleep == n {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d clients sleep after a minute", asleep, n)
		}
	}
}

func (r *row) wakeUps(ctx context.Context, b *bus.Bus, dir string, rounds int) error {
	echo, err := start("echo", 1, dir)
	if err != nil {
		return err
	}
	defer echo.Leave()
	s, err := b.Subscribe("pong", bus.Wait(bus.Block))
	if err != nil {
		return err
	}
	defer s.Close()
	p, err := b.Publisher("ping")
	if err != nil {
		return err
	}
	defer p.Close()
	took, err := times(rounds, func(int) error {
		if err := p.PublishRaw(ctx, []byte{0xc0}); err != nil {
			return err
		}
		_, err := s.Next(ctx)
		return err
	})
	if err != nil {
		return err
	}
	r.wake, r.wake99 = took[len(took)/2], took[len(took)*99/100]
	return nil
}

// deaths kills a client of its own process, and returns the medians of several.
func (r *row) deaths(ctx context.Context, b *bus.Bus, dir string, sleeping []*testproc.Worker, kills int) error {
	ctx, stop := context.WithCancel(ctx)
	heard, watched := make(chan time.Time, kills), make(chan error, 1)
	go func() { watched <- b.WatchDeaths(ctx, func(bus.Death) { heard <- time.Now() }) }()
	defer func() { stop(); <-watched }()
	second := func() time.Duration {
		before := used(sleeping)
		time.Sleep(time.Second)
		return used(sleeping) - before
	}
	var after, cost []time.Duration
	for range kills {
		victim, err := start("idle", 1, dir)
		if err != nil {
			return err
		}
		time.Sleep(300 * time.Millisecond)
		quiet := second()
		before := used(sleeping)
		killed := time.Now()
		victim.Kill()
		select {
		case at := <-heard:
			after = append(after, at.Sub(killed))
		case <-time.After(10 * time.Second):
			return errors.New("a death was not heard within 10 s")
		}
		time.Sleep(time.Until(killed.Add(time.Second)))
		cost = append(cost, max(used(sleeping)-before-quiet, 0))
	}
	slices.Sort(after)
	slices.Sort(cost)
	r.heard, r.death = after[kills/2], cost[kills/2]
	return nil
}

func used(processes []*testproc.Worker) (sum time.Duration) {
	for _, p := range processes {
		sum += testproc.CostOf(p.PID()).Time
	}
	return sum
}

// times does f n times, and returns how long each took, in order of size.
func times(n int, f func(i int) error) ([]time.Duration, error) {
	took := make([]time.Duration, 0, n)
	for i := range n {
		began := time.Now()
		if err := f(i); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took, nil
}

func median(n int, f func(i int) error) (time.Duration, error) {
	took, err := times(max(n, 5), f)
	if err != nil {
		return 0, err
	}
	return took[len(took)/2], nil
}
