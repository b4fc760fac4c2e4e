//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"shmbus/bus"
	"shmbus/internal/inspect"
)

// allRoles are the workers of a run.
var allRoles = []string{"small", "large", "typed", "batches", "lossy", "reliable", "pattern", "observer", "watcher", "visitor", "mortal"}

// roles are played once for each session: from opening the bus to closing it.
var roles = map[string]func(*worker){
	"small": (*worker).small, "large": (*worker).large, "typed": (*worker).typed, "batches": (*worker).batches,
	"lossy": (*worker).lossy, "reliable": (*worker).reliable, "pattern": (*worker).pattern,
	"observer": (*worker).observer, "watcher": (*worker).watcher, "visitor": (*worker).visitor, "mortal": (*worker).mortal,
}

// short is the deadline of calls that wait.
const short = 20 * time.Millisecond

// session opens the bus, and closes it behind f.
func (w *worker) session(f func(b *bus.Bus, until time.Time)) {
	var b *bus.Bus
	if w.call("Open", 3*time.Second, func(context.Context) (err error) {
		b, err = bus.Open(w.Name, bus.WithDir(w.Dir))
		return err
	}) != nil {
		w.rest()
		return
	}
	f(b, time.Now().Add(time.Duration(10+w.rand.IntN(140))*time.Millisecond))
	w.call("Bus.Close", short, func(context.Context) error { return b.Close() })
}

func (w *worker) rest() {
	select {
	case <-w.ctx.Done():
	case <-time.After(2 * time.Millisecond):
	}
}

// again reports whether a session goes on behind an error.
func (w *worker) again(until time.Time, failures *int, err error) bool {
	if err != nil && !errors.Is(err, bus.ErrEmpty) && !errors.Is(err, bus.ErrFull) && (!errors.Is(err, bus.ErrLost) || errors.Is(err, bus.ErrEvicted)) {
		*failures++
	}
	return *failures < 20 && w.ctx.Err() == nil && time.Now().Before(until)
}

func (w *worker) topic() string { return fmt.Sprintf("a.b%d.c", w.rand.IntN(12)) }

func (w *worker) wait() bus.WaitStrategy { return bus.WaitStrategy(w.rand.IntN(4)) }

func (w *worker) publish(one func(p *bus.Publisher, ctx context.Context) error, opts ...bus.PublishOption) {
	if w.rand.IntN(2) == 0 {
		opts = append(opts, bus.Exclusive())
	}
	w.session(func(b *bus.Bus, until time.Time) {
		var p *bus.Publisher
		if w.call("Bus.Publisher", short, func(context.Context) (err error) {
			p, err = b.Publisher(w.topic(), append(opts, bus.Wait(w.wait()))...)
			return err
		}) != nil {
			w.rest()
			return
		}
		failures := 0
		for n := 1; ; n++ {
			err := w.call("publish", short, func(ctx context.Context) error { return one(p, ctx) })
			if !w.again(until, &failures, err) {
				break
			}
			if n%64 == 0 {
				time.Sleep(time.Duration(w.rand.IntN(500)) * time.Microsecond)
			}
		}
		w.call("Publisher.Close", short, func(context.Context) error { return p.Close() })
	})
}

func (w *worker) small() {
	var opts []bus.PublishOption
	if w.rand.IntN(3) == 0 {
		opts = append(opts, bus.NoWait())
	}
	frame := []byte("\xa5small")
	w.publish(func(p *bus.Publisher, ctx context.Context) error { return p.PublishRaw(ctx, frame) }, opts...)
}

func (w *worker) large() {
	buf := make([]byte, 1<<20)
	w.publish(func(p *bus.Publisher, ctx context.Context) error {
		n := 1 + w.rand.IntN(min(p.MaxFrame(), len(buf)))
		if w.rand.IntN(2) == 0 {
			n = min(n, 1000)
		}
		if w.rand.IntN(2) == 0 {
			return p.PublishRaw(ctx, buf[:n])
		}
		r, err := p.Reserve(n)
		if err != nil {
			return err
		}
		copy(r.Bytes(), buf)
		if w.rand.IntN(8) == 0 {
			r.Abort()
			return nil
		}
		return r.Commit(ctx)
	})
}

func (w *worker) batches() {
	var opts []bus.PublishOption
	if w.rand.IntN(3) == 0 {
		opts = append(opts, bus.NoWait())
	}
	w.publish(func(p *bus.Publisher, ctx context.Context) error {
		frames := make([][]byte, 1+w.rand.IntN(100))
		for i := range frames {
			frames[i] = make([]byte, 1+w.rand.IntN(60))
			if w.rand.IntN(20) == 0 {
				frames[i] = make([]byte, 1+w.rand.IntN(min(p.MaxFrame(), 1000)))
			}
		}
		n, err := p.PublishBatch(ctx, frames)
		if n > len(frames) || err == nil && n < len(frames) {
			w.violate("of %d frames %d were published: %v", len(frames), n, err)
		}
		return err
	}, opts...)
}

type quote struct {
	Name     string
	Bid, Ask float64
	Levels   []int
}

func (w *worker) typed() {
	q := quote{"SAP", 101.5, 101.6, []int{1, 2, 3, 4}}
	w.publish(func(p *bus.Publisher, ctx context.Context) error { return p.Publish(ctx, &q) }, bus.WithTime())
}

// receive subscribes and takes messages by one of the ways to.
func (w *worker) receive(pattern string, opts ...bus.SubscribeOption) {
	w.session(func(b *bus.Bus, until time.Time) {
		w.take(b, b.Subscribe, until, pattern, opts...)
	})
}

func (w *worker) take(b *bus.Bus, subscribe func(string, ...bus.SubscribeOption) (*bus.Subscription, error), until time.Time, pattern string, opts ...bus.SubscribeOption) {
	if w.rand.IntN(2) == 0 {
		opts = append(opts, bus.Exclusive())
	}
	var s *bus.Subscription
	if w.rand.IntN(2) == 0 {
		opts = append(opts, bus.FromOldest())
	}
	if w.call("Subscribe", short, func(context.Context) (err error) {
		s, err = subscribe(pattern, opts...)
		return err
	}) != nil {
		w.rest()
		return
	}
	way, failures := w.rand.IntN(4), 0
	batch := make([]bus.Message, 1+w.rand.IntN(100))
	for {
		err := w.call([]string{"Next", "TryNext", "ReceiveBatch", "Read"}[way], short, func(ctx context.Context) (err error) {
			var m bus.Message
			switch way {
			case 0:
				m, err = s.Next(ctx)
			case 1:
				m, err = s.TryNext()
			case 2:
				n, err := s.ReceiveBatch(ctx, batch)
				for _, m := range batch[:n] {
					w.message(b, m)
				}
				return err
			default:
				return s.Read(ctx, func(v bus.View) error {
					w.message(b, bus.Message(v))
					return nil
				})
			}
			if err == nil {
				w.message(b, m)
			}
			return err
		})
		if errors.Is(err, bus.ErrEmpty) {
			w.rest()
		}
		if !w.again(until, &failures, err) {
			break
		}
	}
	s.Lag()
	w.call("Subscription.Close", short, func(context.Context) error { return s.Close() })
}

func (w *worker) lossy() { w.receive(">", bus.Wait(w.wait())) }

func (w *worker) reliable() {
	opt := bus.Reliable()
	switch w.rand.IntN(4) {
	case 0:
		opt = bus.EvictAfter(time.Millisecond)
	case 1:
		opt = bus.DemoteAfter(time.Millisecond)
	}
	w.receive(">", opt, bus.Wait(bus.Block))
}

func (w *worker) pattern() {
	opts := []bus.SubscribeOption{bus.Also(w.topic(), "x.>"), bus.Wait(w.wait())}
	if w.rand.IntN(2) == 0 {
		opts = append(opts, bus.Reliable())
	}
	w.receive("a.*.c", opts...)
}

func (w *worker) observer() {
	var o *bus.Observer
	if w.call("Observe", 3*time.Second, func(context.Context) (err error) {
		o, err = bus.Observe(w.Name, bus.WithDir(w.Dir))
		return err
	}) != nil {
		w.rest()
		return
	}
	failures := 0
	for until := time.Now().Add(50 * time.Millisecond); ; w.rest() {
		var s bus.Snapshot
		w.call("Observer.Snapshot", short, func(context.Context) (err error) { s, err = o.Snapshot(); return err })
		err := w.call("Audit", short, func(context.Context) error { _, err := inspect.Audit(s.ShmID); return err })
		if !w.again(until, &failures, err) {
			break
		}
	}
	w.call("Observer.Close", short, func(context.Context) error { return o.Close() })
}

// watcher listens for deaths, and clears up.
func (w *worker) watcher() {
	w.session(func(b *bus.Bus, _ time.Time) {
		w.call("Reap", short, func(context.Context) error { _, err := b.Reap(); return err })
		w.call("WatchDeaths", 5*short, func(ctx context.Context) error { return b.WatchDeaths(ctx, func(bus.Death) {}) })
		w.call("Bus.Snapshot", short, func(context.Context) error { _, err := b.Snapshot(); return err })
	})
}

// visitor comes and goes.
func (w *worker) visitor() {
	w.session(func(b *bus.Bus, _ time.Time) {
		if p, err := b.Publisher(w.topic(), bus.NoWait()); err == nil {
			w.call("publish", short, func(ctx context.Context) error { return p.PublishRaw(ctx, []byte{1}) })
		} else {
			w.call("Bus.Publisher", short, func(context.Context) error { return err })
		}
		if s, err := b.Subscribe(">", bus.FromOldest()); err == nil {
			w.call("Next", short, func(ctx context.Context) error {
				m, err := s.Next(ctx)
				if err == nil {
					w.message(b, m)
				}
				return err
			})
		} else {
			w.call("Subscribe", short, func(context.Context) error { return err })
		}
	})
}

// mortal publishes and subscribes, and now and then it is killed.
func (w *worker) mortal() {
	if w.rand.IntN(8) == 0 {
		time.AfterFunc(time.Duration(w.rand.IntN(20))*time.Millisecond, func() {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		})
	}
	if w.rand.IntN(2) == 0 {
		w.reliable()
	} else {
		w.small()
	}
}
