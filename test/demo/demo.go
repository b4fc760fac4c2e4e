//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/internal/inspect"
	"shmbus/ring"
)

const (
	slots    = 4096
	slotSize = 256

	fileTopic  = "file.text"
	quietTopic = "quiet.bell"
	fileRate   = 2500 // lines a second

	startWithin  = 30 * time.Second
	endWithin    = 3 * time.Second
	fileLateness = 4 * time.Second // that the file may take beyond the end
)

// A demo is one run: its processes and what is known of them.
type demo struct {
	o      options
	screen *screen
	bin    string // folder of the commands
	dir    string // of the bus's key file
	cancel context.CancelCauseFunc
	start  time.Time

	observer *bus.Observer
	corpus   corpus
	received *os.File                     // what came of the corpus
	asleepAt struct{ posts, head uint64 } // of the sleeper, when all topics were there; the script's

	mu       sync.Mutex
	children []*child
	current  map[string]*child // by name, the last one
	roles    map[string]*role
	events   []event
	tracker  tracker
	outcome  outcome
}

// role is what is known of a subscriber of the demo's own.
type role struct {
	last   report
	recent []latencies // of the last reports, oldest first
	whole  histogram
	losses []loss
}

// recentReports times reportEvery is the time that the view's latencies are from.
const recentReports = 8

// An event is a line that says what happened.
type event struct {
	at   time.Duration
	kind kind
	text string
}

// kind chooses how an event looks.
type kind uint8

const (
	note kind = iota
	good
	bad
)

// outcome is what the summary says beside what can be read from the rest.
type outcome struct {
	ran      time.Duration
	final    bus.Snapshot
	books    ring.Books
	audited  bool
	file     comparison
	fileDone bool
	deaths   []string
	left     error // what could not be removed
}

func newDemo(o options, s *screen) *demo {
	return &demo{
		o: o, screen: s,
		current: map[string]*child{}, roles: map[string]*role{},
	}
}

// run is the whole demo.
func (d *demo) run(parent context.Context) (err error) {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	d.bin = filepath.Dir(exe)
	for _, name := range []string{"busd", "buspub", "bussub"} {
		if _, err := os.Stat(filepath.Join(d.bin, name)); err != nil {
			return fmt.Errorf("%w: build the commands into the demo's folder (make demo does)", err)
		}
	}
	// To busd doctor the bus of a demo that was killed is an orphan: it does not know the folder.
	if d.dir, err = os.MkdirTemp("", "busdemo-"); err != nil {
		return err
	}
	os.Setenv("SHMBUS_DIR", d.dir)
	os.Setenv("SHMBUS_BUS", busName)

	ctx, cancel := context.WithCancelCause(parent)
	d.cancel = cancel
	defer cancel(nil)
	// Whatever happens, nothing stays behind.
	defer func() {
		d.screen.close()
		d.cleanUp()
		if err == nil {
			err = d.outcome.left
		}
	}()

	d.start = time.Now()
	err = d.setUp(ctx)
	if err == nil {
		d.start = time.Now()
		err = d.work(ctx)
	}
	if cause := context.Cause(ctx); cause != nil && parent.Err() == nil {
		err = cause // the first that failed, of which the others follow
	}
	if parent.Err() != nil {
		err = nil
	}
	if d.observer == nil || d.screen.broken() {
		return err
	}
	d.outcome.ran = time.Since(d.start)
	if ending := d.finish(ctx, err == nil && parent.Err() == nil); err == nil {
		err = ending
	}
	d.screen.close()
	d.cleanUp()
	if printing := d.screen.print(d.summary(err)); err == nil {
		err = printing
	}
	return err
}

// work lets the processes run and shows them.
func (d *demo) work(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.o.duration)
	defer cancel()
	var script sync.WaitGroup
	defer func() {
		cancel()
		script.Wait()
	}()
	script.Go(func() {
		if err := d.script(ctx); err != nil && ctx.Err() == nil {
			d.cancel(err)
		}
	})
	tick := time.NewTicker(frameEvery)
	defer tick.Stop()
	for {
		if err := d.show(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			script.Wait()
			return d.show()
		case <-tick.C:
		}
	}
}

// show takes a snapshot and shows it.
func (d *demo) show() error {
	s, err := d.observer.Snapshot()
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.tracker.add(s)
	v := d.view(s)
	d.mu.Unlock()
	return d.screen.show(v)
}

// command returns one of the bus's commands as a process to be started.
func (d *demo) command(name, program string, args ...string) *child {
	return &child{name: name, cmd: exec.Command(filepath.Join(d.bin, program), args...)}
}

// launch starts a process.
func (d *demo) launch(c *child) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := c.start(d.ended); err != nil {
		return fmt.Errorf("%s can not be started: %w", c.name, err)
	}
	d.children = append(d.children, c)
	d.current[c.name] = c
	return nil
}

// ended is called when a process is gone.
func (d *demo) ended(c *child) {
	if !c.excused.Load() && !(c.finite && c.exitCode() == 0) {
		d.cancel(c.failure())
	}
}

func (d *demo) child(name string) *child {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current[name]
}

func (d *demo) startBusd() error {
	return d.launch(d.command("busd", "busd", "-b", busName, "--slots", strconv.Itoa(slots),
		"--slot-size", strconv.Itoa(slotSize), "--subscribers", "64", "--topics", "256"))
}

// startSource starts the publisher of a source.
func (d *demo) startSource(name string) error {
	c := d.command(name, "demo", rolePublish, name)
	c.cmd.Path = "/proc/self/exe"
	return d.launch(c)
}

func (d *demo) startRole(name string, args ...string) error {
	r := &role{}
	d.roles[name] = r
	c := d.command(name, "demo", append([]string{roleSubscribe, "-name", name}, args...)...)
	c.cmd.Path = "/proc/self/exe"
	c.onLine = func(line string) {
		var rep report
		if json.Unmarshal([]byte(line), &rep) != nil {
			return
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		r.last = rep
		r.whole.merge(rep.Latency)
		r.losses = append(r.losses, rep.Losses...)
		if r.recent = append(r.recent, rep.Latency); len(r.recent) > recentReports {
			r.recent = r.recent[1:]
		}
	}
	return d.launch(c)
}

// setUp makes the bus and starts the processes, subscribers first.
func (d *demo) setUp(ctx context.Context) error {
	lines := int(0.7 * d.o.duration.Seconds() * fileRate)
	var err error
	if d.corpus, err = writeCorpus(d.bin, min(lines, 1_000_000)); err != nil {
		return err
	}
	if d.received, err = nameless(); err != nil {
		return err
	}
	if err := d.startBusd(); err != nil {
		return err
	}
	if err := d.await(ctx, "busd makes the bus", func() (bool, error) {
		d.observer, err = bus.Observe(busName)
		if errors.Is(err, bus.ErrNotFound) || errors.Is(err, bus.ErrIncomplete) {
			return false, nil
		}
		return err == nil, err
	}); err != nil {
		return err
	}
	subscribers := []func() error{
		func() error { return d.startRole("recorder", "-pattern", "host.>", "-reliable", "-verify") },
		func() error { return d.startRole("watcher", "-pattern", "host.cpu.*") },
		func() error { return d.startRole("slow", "-pattern", ">", "-nap", "25ms") },
		func() error { return d.startRole("sleeper", "-pattern", "quiet.>") },
		d.startFileSub,
	}
	for _, start := range subscribers {
		if err := start(); err != nil {
			return err
		}
	}
	if err := d.await(ctx, "the subscribers come", func() (bool, error) {
		s, err := d.observer.Snapshot()
		ready := 0
		for _, sub := range s.Subscribers {
			if sub.Alive && (sub.Policy == "lossy" || sub.Gate == "closed") {
				ready++
			}
		}
		return ready == len(subscribers), err
	}); err != nil {
		return err
	}
	for _, src := range sources() {
		if err := d.startSource(src.name); err != nil {
			return err
		}
	}
	if err := d.startFilePub(); err != nil {
		return err
	}
	return d.await(ctx, "the publishers come", func() (bool, error) {
		s, err := d.observer.Snapshot()
		seen := map[int]bool{}
		for _, p := range s.Publishers {
			seen[p.Pid] = p.Messages > 0 || seen[p.Pid]
		}
		return len(seen) > len(sources()), err
	})
}

func (d *demo) startFileSub() error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	c := d.command("bussub", "bussub", "-b", busName, "--reliable", "--count", strconv.Itoa(d.corpus.lines), "file.>")
	c.cmd.Stdin, c.cmd.Stdout, c.finite = null, d.received, true
	return d.launch(c)
}

func (d *demo) startFilePub() error {
	c := d.command("buspub", "buspub", "-b", busName, "--rate", strconv.Itoa(fileRate), "--time", fileTopic)
	c.cmd.Stdin, c.finite = d.corpus.file, true
	return d.launch(c)
}

// await waits until something is so.
func (d *demo) await(ctx context.Context, what string, so func() (bool, error)) error {
	for deadline := time.Now().Add(startWithin); ; {
		ok, err := so()
		switch {
		case err != nil || ok:
			return err
		case time.Now().After(deadline):
			return fmt.Errorf("waited %v in vain until %s", startWithin, what)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// finish ends the processes one kind after another, so that the accounts can be closed. If all went
// well the file may come to its end first.
func (d *demo) finish(ctx context.Context, well bool) error {
	pub, sub := d.child("buspub"), d.child("bussub")
	if well {
		end := time.Now().Add(fileLateness)
		for time.Now().Before(end) && ctx.Err() == nil && (pub.Running() || sub.Running()) {
			time.Sleep(frameEvery)
			if err := d.show(); err != nil {
				return err
			}
		}
	}
	d.mu.Lock()
	all := slices.Clone(d.children)
	d.mu.Unlock()
	var publishers, subscribers []*child
	for _, c := range all {
		c.excused.Store(true)
		c.signal(unix.SIGCONT)
		if _, ok := sourceNamed(c.name); ok {
			publishers = append(publishers, c)
			c.hangUp()
		} else if d.roles[c.name] != nil {
			subscribers = append(subscribers, c)
		}
	}
	if pub != nil && pub.Running() {
		pub.signal(unix.SIGTERM)
		publishers = append(publishers, pub)
	}
	var errs []error
	gone := func(list []*child) {
		for _, c := range list {
			if !c.wait(endWithin) {
				errs = append(errs, fmt.Errorf("%s (pid %d) did not end when it was told to", c.name, c.PID()))
			}
		}
	}
	gone(publishers)
	snapshot, err := d.observer.Snapshot()
	errs = append(errs, err)
	d.outcome.final = snapshot
	for _, c := range subscribers {
		c.hangUp()
	}
	if sub != nil && sub.Running() {
		// What was published is to be written before it ends.
		time.Sleep(20 * time.Millisecond)
		sub.signal(unix.SIGTERM)
		subscribers = append(subscribers, sub)
	}
	gone(subscribers)
	if errors.Join(errs...) == nil {
		d.outcome.books, err = inspect.Audit(snapshot.ShmID)
		d.outcome.audited = err == nil
		errs = append(errs, err)
	}
	if busd := d.child("busd"); busd != nil && busd.Running() {
		busd.signal(unix.SIGTERM)
		gone([]*child{busd})
	}
	if sub != nil && pub != nil {
		d.outcome.file, err = compare(d.corpus.file, d.received)
		d.outcome.fileDone = sub.exitCode() == 0 && pub.exitCode() == 0
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil || !well {
		return err
	}
	return d.judge()
}

// cleanUp ends what still runs, and removes the bus and the folder. It may be called more than
// once.
func (d *demo) cleanUp() {
	d.mu.Lock()
	all := slices.Clone(d.children)
	d.mu.Unlock()
	for _, c := range all {
		c.excused.Store(true)
		if c.Running() {
			c.signal(unix.SIGKILL)
		}
	}
	var errs []error
	for _, c := range all {
		if !c.wait(5 * time.Second) {
			errs = append(errs, fmt.Errorf("%s (pid %d) is still there", c.name, c.PID()))
		}
	}
	if d.observer != nil {
		errs = append(errs, d.observer.Close())
	}
	if _, err := os.Stat(d.dir); err == nil {
		if err := bus.Remove(busName); err != nil && !errors.Is(err, bus.ErrNotFound) {
			errs = append(errs, err)
		}
		errs = append(errs, os.RemoveAll(d.dir))
	}
	if d.outcome.left == nil {
		d.outcome.left = errors.Join(errs...)
	}
}

// judge compares the accounts at the end of a run that came to its end.
func (d *demo) judge() error {
	var errs []error
	if b := d.outcome.books; !b.Balanced() {
		errs = append(errs, fmt.Errorf("the books do not balance: %+v", b))
	}
	recorder, slow := d.roles["recorder"], d.roles["slow"]
	if recorder.last.Gaps > 0 || recorder.last.Lost > 0 {
		errs = append(errs, fmt.Errorf("the recorder is reliable, and missed something: %d gaps, %d lost", recorder.last.Gaps, recorder.last.Lost))
	}
	if published := hostMessages(d.outcome.final); recorder.last.Received != published {
		errs = append(errs, fmt.Errorf("host.> has %d messages, and the recorder received %d", published, recorder.last.Received))
	}
	if s := slow.last; s.First+s.Slots+s.Lost != s.Next || s.Next != d.outcome.final.Head {
		errs = append(errs, fmt.Errorf("slow's account does not add up: from %d, %d positions received, %d lost, next %d, head %d",
			s.First, s.Slots, s.Lost, s.Next, d.outcome.final.Head))
	}
	if f := d.outcome.file; d.outcome.fileDone && !f.identical {
		errs = append(errs, fmt.Errorf("the file differs after line %d", f.lines))
	}
	return errors.Join(errs...)
}
