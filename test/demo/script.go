//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"shmbus/bus"
)

const (
	fillUpTo     = 0.9             // of the ring, while the recorder pauses
	pauseAtMost  = 2 * time.Second // whatever the ring says
	stopAtMost   = 4 * time.Second
	lapsOfTheOne = 2 // that is stopped
	victim       = "mem"
	victimTopic  = "host.mem"
)

// script lets things happen, at parts of the duration.
func (d *demo) script(ctx context.Context) error {
	for _, step := range []struct {
		at float64
		do func(context.Context) error
	}{
		{1. / 12, d.markSleeper},
		{2. / 12, d.pauseRecorder},
		{4. / 12, d.killPublisher},
		{6. / 12, d.stopSlow},
		{8. / 12, d.killBusd},
		{9.6 / 12, d.ring},
		{0.85, d.awaitFile},
	} {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(d.start.Add(time.Duration(step.at * float64(d.o.duration))))):
		}
		if err := step.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) announce(k kind, format string, a ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, event{time.Since(d.start), k, fmt.Sprintf(format, a...)})
}

// until looks at the bus again and again until something is so, and returns when that was; or
// when ctx ends or the time is over.
func (d *demo) until(ctx context.Context, atMost, every time.Duration, so func(bus.Snapshot) bool) (time.Time, error) {
	for end := time.Now().Add(atMost); ; time.Sleep(every) {
		s, err := d.observer.Snapshot()
		now := time.Now()
		switch {
		case err != nil:
			return now, err
		case so(s):
			return now, nil
		case now.After(end):
			return now, fmt.Errorf("waited for %v in vain", atMost)
		case ctx.Err() != nil:
			return now, ctx.Err()
		}
	}
}

// pauseRecorder lets the reliable subscriber stand still for a moment.
func (d *demo) pauseRecorder(ctx context.Context) error {
	c := d.child("recorder")
	begin := time.Now()
	c.Tell("pause")
	backlog := 0.
	_, err := d.until(ctx, pauseAtMost, 5*time.Millisecond, func(s bus.Snapshot) bool {
		backlog = s.Backlog
		return backlog >= fillUpTo || time.Since(begin) > pauseAtMost/2
	})
	c.Tell("resume")
	if err == nil {
		d.announce(note, "recorder paused for %s: its backlog grew to %.0f%%, nothing is lost", short(time.Since(begin)), 100*backlog)
	}
	return err
}

// notice kills a process and returns how long the bus took to count the death.
func (d *demo) notice(ctx context.Context, c *child) (time.Duration, error) {
	before, err := d.observer.Snapshot()
	if err != nil {
		return 0, err
	}
	begin := c.kill()
	at, err := d.until(ctx, 5*time.Second, 0, func(s bus.Snapshot) bool { return s.Deaths > before.Deaths })
	if err != nil {
		return 0, fmt.Errorf("the death of %s (pid %d): %w", c.name, c.PID(), err)
	}
	return at.Sub(begin), nil
}

func (d *demo) killPublisher(ctx context.Context) error {
	c := d.child(victim)
	noticed, err := d.notice(ctx, c)
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := d.startSource(victim); err != nil {
		return err
	}
	pid := d.child(victim).PID()
	at, err := d.until(ctx, 5*time.Second, time.Millisecond, func(s bus.Snapshot) bool {
		for _, p := range s.Publishers {
			if p.Pid == pid && p.Topic == victimTopic && p.Messages > 0 {
				return true
			}
		}
		return false
	})
	if err != nil {
		return fmt.Errorf("the one in place of %s: %w", victim, err)
	}
	d.announce(bad, "kill -9 publisher of %s: noticed in %s, replaced after %s", victimTopic, short(noticed), short(at.Sub(begin)))
	d.died(fmt.Sprintf("publisher of %s in %s", victimTopic, short(noticed)))
	return nil
}

func (d *demo) died(how string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.outcome.deaths = append(d.outcome.deaths, how)
}

// stopSlow stops the slow subscriber until the ring has lapped it.
func (d *demo) stopSlow(ctx context.Context) error {
	c := d.child("slow")
	d.mu.Lock()
	known := len(d.roles["slow"].losses)
	d.mu.Unlock()
	begin := time.Now()
	c.stop()
	d.announce(bad, "SIGSTOP slow: the others go on, and the ring laps it")
	_, err := d.until(ctx, 2*stopAtMost, 10*time.Millisecond, func(s bus.Snapshot) bool {
		for _, sub := range s.Subscribers {
			if sub.Pid == c.PID() && sub.Lag > lapsOfTheOne*slots {
				return true
			}
		}
		return time.Since(begin) > stopAtMost
	})
	c.resume()
	if err != nil {
		return err
	}
	stopped := time.Since(begin)
	for end := time.Now().Add(time.Second); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		d.mu.Lock()
		losses := d.roles["slow"].losses[known:]
		d.mu.Unlock()
		if len(losses) > 0 {
			l := losses[0]
			d.announce(good, "SIGCONT after %s: slow lost %s, positions %s to %s", short(stopped), exact(l.Count), exact(l.From), exact(l.To-1))
			return nil
		}
	}
	d.announce(good, "SIGCONT after %s: slow lost nothing", short(stopped))
	return nil
}

func (d *demo) killBusd(ctx context.Context) error {
	c := d.child("busd")
	before, err := d.observer.Snapshot()
	if err != nil {
		return err
	}
	noticed, err := d.notice(ctx, c)
	if err != nil {
		return err
	}
	d.announce(bad, "kill -9 busd: noticed in %s, the stream goes on", short(noticed))
	d.died("busd in " + short(noticed))
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(d.o.duration / 24):
	}
	begin := time.Now()
	if err := d.startBusd(); err != nil {
		return err
	}
	pid := d.child("busd").PID()
	var head uint64
	at, err := d.until(ctx, 5*time.Second, time.Millisecond, func(s bus.Snapshot) bool {
		head = s.Head
		for _, cl := range s.Clients {
			if cl.Pid == pid && cl.Daemon && cl.Alive {
				return true
			}
		}
		return false
	})
	if err != nil {
		return fmt.Errorf("busd, started again: %w", err)
	}
	d.announce(good, "busd is back: adopted the bus in %s, %s positions later", short(at.Sub(begin)), exact(head-before.Head))
	return nil
}

// posts returns how often a subscriber was woken by publishers.
func posts(s bus.Snapshot, name string) uint64 {
	for _, sub := range s.Subscribers {
		if sub.Name == name {
			return sub.Posts
		}
	}
	return 0
}

// markSleeper remembers where the sleeper sleeps. Before that it was woken for each new topic.
func (d *demo) markSleeper(context.Context) error {
	s, err := d.observer.Snapshot()
	d.asleepAt.posts, d.asleepAt.head = posts(s, "sleeper"), s.Head
	return err
}

// ring publishes the one message that the sleeper waits for.
func (d *demo) ring(ctx context.Context) error {
	before, err := d.observer.Snapshot()
	if err != nil {
		return err
	}
	woken := posts(before, "sleeper") - d.asleepAt.posts
	c := d.command("bell", "buspub", "-b", busName, "--time", quietTopic, `{"text":"good morning"}`)
	c.finite = true
	if err := d.launch(c); err != nil {
		return err
	}
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		d.mu.Lock()
		r := d.roles["sleeper"]
		received, latency := r.last.Received, r.whole.max
		d.mu.Unlock()
		if received > 0 {
			d.announce(good, "sleeper got its message in %s; %s others woke it %s", short(latency), exact(before.Head-d.asleepAt.head), plural(int(woken), "time"))
			return nil
		}
	}
	if ctx.Err() == nil {
		return fmt.Errorf("the sleeper was not woken by its message")
	}
	return nil
}

// awaitFile says when the file is through.
func (d *demo) awaitFile(ctx context.Context) error {
	sub := d.child("bussub")
	select {
	case <-ctx.Done():
		return nil
	case <-sub.Ended:
	}
	c, err := compare(d.corpus.file, d.received)
	if err != nil {
		return err
	}
	if c.identical {
		d.announce(good, "file: %s lines through buspub and bussub, byte for byte the same", exact(uint64(c.lines)))
	} else {
		d.announce(bad, "file: differs after line %s", exact(uint64(c.lines)))
	}
	return nil
}
