//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"sync"
	"time"

	"shmbus/bus"
)

const (
	roleSubscribe = "subscribe"
	reportEvery   = 250 * time.Millisecond
	// drainFor bounds what a subscriber still receives after it was told to end.
	drainFor = 1500 * time.Millisecond
)

// A report is what a subscriber tells the demo, as a line of JSON: totals, except where it says
// otherwise.
type report struct {
	Received  uint64    `json:"received"`
	Bytes     uint64    `json:"bytes"`
	Slots     uint64    `json:"slots"` // positions of the messages received
	Lost      uint64    `json:"lost"`  // positions
	First     uint64    `json:"first"` // position
	Next      uint64    `json:"next"`  // position
	Streams   int       `json:"streams"`
	Gaps      uint64    `json:"gaps"` // samples that were not the next of their stream
	Latency   latencies `json:"latency"`
	Losses    []loss    `json:"losses,omitempty"` // since the last report
	Paused    bool      `json:"paused"`
	Final     bool      `json:"final"`
	LastTopic string    `json:"last_topic,omitempty"`
}

type loss struct{ From, To, Count uint64 }

// subscribe is the role that receives, until its standard input ends. A line "pause" there makes it
// stand still until a line "resume".
func subscribe(args []string, stdin io.Reader, stdout io.Writer) error {
	fs := flag.NewFlagSet(roleSubscribe, flag.ContinueOnError)
	name := fs.String("name", "", "of the client")
	pattern := fs.String("pattern", ">", "what to receive")
	reliable := fs.Bool("reliable", false, "lose nothing")
	verify := fs.Bool("verify", false, "check the numbers of the samples")
	nap := fs.Duration("nap", 0, "rest so long whenever there is nothing left to read")
	if err := fs.Parse(args); err != nil {
		return usageError{err}
	}
	b, err := bus.Open(busName, bus.WithClientName(*name))
	if err != nil {
		return err
	}
	defer b.Close()
	opts := []bus.SubscribeOption{bus.Exclusive()}
	if *reliable {
		opts = append(opts, bus.Reliable())
	}
	s, err := b.Subscribe(*pattern, opts...)
	if err != nil {
		return err
	}
	defer s.Close()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := &receiving{sub: s, geometry: b.Sizes(), nap: *nap, verify: *verify, streams: map[string]Stamp{}}
	r.report.First = s.Position()
	go r.obey(stdin, cancel)
	var reporter sync.WaitGroup
	reporting, stop := context.WithCancel(context.Background())
	reporter.Go(func() { r.tell(reporting, stdout) })
	err = r.run(ctx)
	stop()
	reporter.Wait()
	if err == nil {
		err = json.NewEncoder(stdout).Encode(r.take(true))
	}
	return err
}

// receiving is one subscription and what is known of it.
type receiving struct {
	sub      *bus.Subscription
	geometry interface{ Positions(n int) int }
	nap      time.Duration
	verify   bool
	streams  map[string]Stamp

	mu      sync.Mutex
	report  report
	latency histogram
	resume  chan struct{} // not nil while it is to stand still
	resumed time.Time
}

// run receives until ctx ends, and then what is still there.
func (r *receiving) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := r.standStill(ctx); err != nil {
			break
		}
		m, err := r.next(ctx)
		if err := r.add(m, err); err != nil {
			if ctx.Err() != nil {
				break
			}
			return err
		}
	}
	for end := time.Now().Add(drainFor); time.Now().Before(end); {
		m, err := r.sub.TryNext()
		if errors.Is(err, bus.ErrEmpty) {
			return nil
		}
		if err := r.add(m, err); err != nil {
			return err
		}
	}
	return nil
}

// next returns the next message. One that naps looks only when it is awake, so that nobody wakes
// it.
func (r *receiving) next(ctx context.Context) (bus.Message, error) {
	if r.nap == 0 {
		return r.sub.Next(ctx)
	}
	for ctx.Err() == nil {
		m, err := r.sub.TryNext()
		if !errors.Is(err, bus.ErrEmpty) {
			return m, err
		}
		time.Sleep(r.nap)
	}
	return bus.Message{}, ctx.Err()
}

func (r *receiving) add(m bus.Message, err error) error {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Next = r.sub.Position()
	var lost *bus.LossError
	switch {
	case errors.As(err, &lost):
		r.report.Lost += lost.Count
		r.report.Losses = append(r.report.Losses, loss{lost.From, lost.To, lost.Count})
		return nil
	case err != nil:
		return err
	}
	r.report.Received++
	r.report.Bytes += uint64(m.Size())
	size := m.Size()
	if t := m.Time(); !t.IsZero() {
		size += 8
		// What was published during a pause of its own would tell of the pause only.
		if t.After(r.resumed) {
			r.latency.add(now.Sub(t))
		}
	}
	r.report.Slots += uint64(r.geometry.Positions(size))
	if r.verify {
		r.check(m)
	}
	r.report.LastTopic = m.Topic
	return nil
}

// check compares a sample with the one before it: the next of the same process, or the first of
// another.
func (r *receiving) check(m bus.Message) {
	var now Stamp
	if m.Decode(&now) != nil || now.Pid == 0 {
		r.report.Gaps++
		return
	}
	before, known := r.streams[m.Topic]
	if !known || before.Pid != now.Pid {
		r.report.Streams++
		before = Stamp{Pid: now.Pid}
	}
	if now.Seq != before.Seq+1 {
		r.report.Gaps++
	}
	r.streams[m.Topic] = now
}

func (r *receiving) standStill(ctx context.Context) error {
	r.mu.Lock()
	resume := r.resume
	r.mu.Unlock()
	if resume == nil {
		return nil
	}
	select {
	case <-resume:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// obey does what standard input says.
func (r *receiving) obey(stdin io.Reader, end func()) {
	lines := bufio.NewScanner(stdin)
	for lines.Scan() {
		r.mu.Lock()
		switch {
		case lines.Text() == "pause" && r.resume == nil:
			r.resume = make(chan struct{})
		case lines.Text() == "resume" && r.resume != nil:
			close(r.resume)
			r.resume, r.resumed = nil, time.Now()
		}
		r.mu.Unlock()
	}
	end()
}

// tell reports from time to time. It is not the goroutine that receives: a demo that was stopped
// reads nothing, and that must not keep a reliable subscriber from receiving.
func (r *receiving) tell(ctx context.Context, w io.Writer) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if json.NewEncoder(w).Encode(r.take(false)) != nil {
				return
			}
		}
	}
}

// take returns the report.
func (r *receiving) take(final bool) report {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.report
	out.Latency, out.Final, out.Paused = r.latency.take(), final, r.resume != nil
	r.report.Losses = nil
	return out
}
