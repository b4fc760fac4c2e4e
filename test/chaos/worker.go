//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/internal/testload"
	"shmbus/internal/testproc"
)

// exitFault is the exit code of a worker that saw a promise broken. What it saw is on its standard
// error.
const exitFault = 3

// A worker is the worker's own side of a process.
type worker struct {
	job
	diary diary
	ctx   context.Context // ends with SIGTERM: leave in good order
	rnd   *rand.Rand
}

var roles = testproc.Roles{
	rolePublish:   play((*worker).publish),
	roleSubscribe: play((*worker).subscribe),
	roleWatch:     play((*worker).watch),
	roleCreate:    play((*worker).create),
	roleRemove:    play(func(w *worker) { w.check(bus.Remove(busName)) }),
}

func play(role func(*worker)) func(*testproc.Child) {
	return testproc.With(func(c *testproc.Child, j job) {
		j.Role = c.Role
		w := &worker{job: j, rnd: rand.New(rand.NewPCG(j.Seed, uint64(j.ID)))}
		ctx, stop := signal.NotifyContext(c.Context(), unix.SIGTERM)
		defer stop()
		w.ctx = ctx
		var err error
		w.diary, err = openDiary(w.Diary)
		w.check(err)
		if w.Role == rolePublish || w.Role == roleSubscribe {
			// The checkers come first on a crowded machine.
			unix.Setpriority(unix.PRIO_PROCESS, 0, 5)
		}
		role(w)
	})
}

func (w *worker) faultf(format string, a ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", a...)
	os.Exit(exitFault)
}

func (w *worker) check(err error) {
	if err != nil {
		w.faultf("%v", err)
	}
}

func (w *worker) open() *bus.Bus {
	w.diary.set(wordPhase, phaseOpening)
	b, err := bus.Open(busName, bus.WithClientName(fmt.Sprintf("%s-%d", w.Role, w.ID)))
	w.check(err)
	w.diary.set(wordPhase, phaseJoined)
	return b
}

func (w *worker) leave(b *bus.Bus) {
	w.diary.set(wordPhase, phaseLeaving)
	w.check(b.Close())
	w.diary.set(wordPhase, phaseLeft)
}

// rest sleeps for about d, or until the worker is to leave.
func (w *worker) rest(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(time.Duration(w.rnd.Int64N(2*int64(d) + 1)))
	defer t.Stop()
	select {
	case <-t.C:
	case <-w.ctx.Done():
	}
}

func (w *worker) create() {
	b, err := bus.Create(busName, bus.WithSlots(w.Slots), bus.WithSlotSize(128), bus.WithOwnedSlots(3), bus.WithPublishers(maxRecords),
		bus.WithSubscribers(64), bus.WithClients(128), bus.WithTopics(64), bus.WithMaxFrame(4096))
	w.check(err)
	w.check(b.Close())
}

func (w *worker) watch() {
	b := w.open()
	w.diary.set(wordPhase, phaseReady)
	err := b.WatchDeaths(w.ctx, func(d bus.Death) {
		w.diary.write(event{kind: evDeath, a: uint64(d.Pid), b: uint64(testload.Now())})
	})
	if w.ctx.Err() == nil {
		w.faultf("watch: %v", err)
	}
	w.leave(b)
}
