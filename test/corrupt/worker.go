//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"shmbus/bus"
	"shmbus/internal/testproc"
)

// exitHang is the exit code of a worker in which a call does not return.
const exitHang = 71

// A job is what a worker is told when it starts.
type job struct {
	Number int
	Slack  time.Duration
}

// An order begins a round, or ends it: without a name.
type order struct {
	Name string `json:"name"`
	Dir  string `json:"dir"`
	Seed uint64 `json:"seed"`
}

// A worker does one thing in every round, as long as the round lasts.
type worker struct {
	tally
	order
	rand  *rand.Rand
	slack time.Duration
	ctx   context.Context // of the round

	since    atomic.Int64 // when the call in progress began, nanoseconds; 0: none
	deadline atomic.Int64 // when it should return
	what     atomic.Pointer[string]
}

// plays are the roles of worker processes.
func plays() testproc.Roles {
	all := testproc.Roles{}
	for name, play := range roles {
		all[name] = testproc.With(func(c *testproc.Child, j job) { work(c, j, play) })
	}
	return all
}

func work(c *testproc.Child, j job, play func(*worker)) {
	w := &worker{slack: j.Slack}
	go w.watch()
	for text := range c.Orders() {
		var o order
		c.Check(json.Unmarshal([]byte(text), &o))
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		w.tally, w.order, w.ctx = tally{Errors: map[string]int{}}, o, ctx
		w.rand = rand.New(rand.NewPCG(o.Seed, uint64(j.Number)))
		go func() {
			defer close(done)
			for ctx.Err() == nil {
				w.Sessions++
				play(w)
			}
		}()
		<-c.Orders()
		cancel()
		<-done
		c.Say("tally", w.tally)
	}
}

// watch ends the process when a call does not return.
func (w *worker) watch() {
	for ; ; time.Sleep(100 * time.Millisecond) {
		began, end := w.since.Load(), w.deadline.Load()
		if began == 0 || time.Now().UnixNano() < end+int64(w.slack) || w.since.Load() != began {
			continue
		}
		buf := make([]byte, 1<<20)
		fmt.Fprintf(os.Stderr, "%s has not returned %v after its deadline\n%s\n", *w.what.Load(), w.slack, buf[:runtime.Stack(buf, true)])
		os.Exit(exitHang)
	}
}

// call makes a call of the API that should return after d, and looks at the error.
func (w *worker) call(what string, d time.Duration, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(w.ctx, d)
	defer cancel()
	now := time.Now()
	w.what.Store(&what)
	w.deadline.Store(now.Add(d).UnixNano())
	w.since.Store(now.UnixNano())
	err := f(ctx)
	w.since.Store(0)
	if over := time.Since(now) - d - w.slack; over > 0 {
		w.violate("%s returned %v after its deadline", what, over+w.slack)
	}
	w.Calls++
	if err != nil {
		name := sentinel(err)
		if name == "" {
			w.violate("undocumented error of %s: %v", what, err)
		}
		w.Errors[name]++
	}
	return err
}

func (w *worker) violate(format string, a ...any) {
	if len(w.Violations) < 5 {
		w.Violations = append(w.Violations, fmt.Sprintf(format, a...))
	}
}

// sentinels are the errors that package bus documents.
var sentinels = []struct {
	name string
	err  error
}{
	{"corrupt", bus.ErrCorrupt}, {"removed", bus.ErrRemoved}, {"full", bus.ErrFull}, {"empty", bus.ErrEmpty}, {"evicted", bus.ErrEvicted}, {"lost", bus.ErrLost},
	{"table full", bus.ErrTableFull}, {"not a bus", bus.ErrNotABus}, {"incomplete", bus.ErrIncomplete}, {"version", bus.ErrVersion},
	{"closed", bus.ErrClosed}, {"busy", bus.ErrBusy}, {"not found", bus.ErrNotFound}, {"exists", bus.ErrExists}, {"too large", bus.ErrTooLarge},
	{"deadline", context.DeadlineExceeded}, {"canceled", context.Canceled},
}

func sentinel(err error) string {
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			return s.name
		}
	}
	return ""
}

// message looks at what was received. That its bytes are wrong is no violation.
func (w *worker) message(b *bus.Bus, m bus.Message) {
	w.Messages++
	if g := b.Sizes(); len(m.Raw) > g.MaxFrame {
		w.violate("a message of %d bytes on a bus that takes %d", len(m.Raw), g.MaxFrame)
	}
	if err := bus.CheckTopic(m.Topic); err != nil {
		w.violate("a message with topic %q: %v", m.Topic, err)
	}
	var sum byte
	for _, c := range m.Raw { // in place, every byte must be there
		sum ^= c
	}
	runtime.KeepAlive(sum)
	if w.rand.IntN(16) == 0 {
		var v any
		_ = m.Decode(&v) // of wrong bytes it may say what it likes
	}
}
