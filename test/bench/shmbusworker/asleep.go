package shmbusworker

import (
	"errors"
	"fmt"
	"time"

	"shmbus/bus"
	"shmbus/test/bench/worker"
)

// Asleep has any number of subscriptions, to a topic each, on which nobody publishes. They sleep
// before it is ready, and must do so in every run.
func init() { worker.Register("shmbus", "asleep", openAsleep) }

type asleep struct {
	*end
	index, sleepers int
	woke            chan error
}

func openAsleep(p worker.Params) (worker.Runner, error) {
	a := &asleep{index: p.Int("index", 0), sleepers: p.Int("asleep", 1)}
	var err error
	if a.end, err = open(p, a.index == 0, "", ""); err != nil {
		return nil, err
	}
	// A topic that is new wakes everybody for a look: those that there will be are there first.
	if err := a.makeTopic(topic); err != nil {
		return nil, a.fail(err)
	}
	a.woke = make(chan error, a.sleepers)
	for i := range a.sleepers {
		if err := a.sleep(fmt.Sprintf("quiet.%d.%d", a.index, i)); err != nil {
			return nil, a.fail(err)
		}
	}
	if err := a.settle(); err != nil {
		return nil, a.fail(err)
	}
	return a, nil
}

// settle returns when all are asleep: a topic that another worker makes wakes them for a look.
func (a *asleep) settle() error {
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		if err := a.fast(); err == nil || time.Since(start) > 10*time.Second {
			return err
		}
	}
}

// sleep has a goroutine sleep until there is a message on topic, which there is not.
func (a *asleep) sleep(topic string) error {
	if err := a.makeTopic(topic); err != nil {
		return err
	}
	sub, err := a.bus.Subscribe(topic, a.subscription()...)
	if err != nil {
		return err
	}
	go func() {
		var m bus.Message
		a.woke <- errors.Join(sub.Receive(a.ctx, &m), fmt.Errorf("a message on %q", m.Topic))
	}()
	return nil
}

func (a *asleep) makeTopic(topic string) error {
	pub, err := a.bus.Publisher(topic, bus.Exclusive())
	if err != nil {
		return err
	}
	return pub.Close()
}

// fast reports an error unless all are asleep.
func (a *asleep) fast() error {
	select {
	case err := <-a.woke:
		a.woke <- err // it stays so
		return err
	default:
	}
	snapshot, err := a.bus.Snapshot()
	if err != nil {
		return err
	}
	n := 0
	for _, s := range snapshot.Subscribers {
		if s.Asleep {
			n++
		}
	}
	if n < a.sleepers {
		return fmt.Errorf("%d of %d subscriptions are asleep", n, a.sleepers)
	}
	return nil
}

func (a *asleep) Run(int) (worker.Report, error) { return worker.Report{}, a.settle() }
