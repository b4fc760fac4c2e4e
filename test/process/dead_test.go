//go:build linux && faults

package process

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/fault"
	"shmbus/internal/testload"
)

// joiner comes to a bus on which others have died, and uses all that they left: it takes their
// records over as they are, or, if it has batches, clears them first.
func (v *victim) joiner() {
	b := v.open()
	if v.Batch > 0 {
		_, err := b.Reap()
		v.Check(err)
	}
	lossy, err := b.Subscribe("other.>")
	v.Check(err)
	p := v.publisher(b)
	patient, err := b.Subscribe(">", bus.EvictAfter(20*time.Millisecond), bus.FromOldest(), bus.Wait(bus.Block))
	v.Check(err)
	for i := range 5 {
		size := 40
		if i == 3 {
			size = 400 // four slots
		}
		v.put(p, size)
	}
	brief, cancel := context.WithTimeout(v.Context(), 10*time.Millisecond)
	for err == nil {
		_, err = patient.Next(brief) // until it is asleep
		if errors.Is(err, bus.ErrLost) {
			err = nil
		}
	}
	cancel()
	// A ring full of what it does not read, until it is cut off.
	for range 2 * b.Sizes().Slots {
		v.put(p, 40)
	}
	v.Check(lossy.Close())
	v.Check(patient.Close())
	r, err := p.Reserve(40)
	v.Check(err)
	testload.Fill(r.Bytes(), stamp(v.ID, v.sent))
	v.Check(r.Commit(v.Context()))
	brief, cancel = context.WithTimeout(v.Context(), 5*time.Millisecond)
	b.WatchDeaths(brief, nil)
	cancel()
	_, err = b.Reap()
	v.Check(err)
	v.Check(p.Close())
	v.Check(b.Close())
}

// Promise 3, where nobody listens: a reliable subscriber that held the ring full has died, and
// publishers have died in the middle of an exchange. A process that comes to that bus then
// holds nobody when it is stopped at any point, nor when it is killed there.
func TestFaultsAmongTheDead(t *testing.T) {
	few := creation{Clients: 2} // who comes takes the client record of the dead, too
	for name, j := range map[string]job{
		"takes over": {}, "clears first": {Batch: 1}, "takes over, few clients": {Creation: few}, "clears first, few clients": {Batch: 1, Creation: few},
	} {
		t.Run(name, func(t *testing.T) {
			visits := amongTheDead(t, j, "")
			for _, p := range fault.Points() {
				if visits[p] > 0 {
					amongTheDead(t, j, fmt.Sprintf("%v=stop", p))
				}
			}
			must := []fault.Point{fault.JoinLives, fault.SubscribeTaken, fault.SubscribeGate, fault.ClearGate, fault.PublisherTaken, fault.GateReleased}
			switch {
			case j.Creation == few:
				must = append(must, fault.BuryMarked)
			case j.Batch > 0:
				must = append(must, fault.ClearSubscriber, fault.ClearPublisher)
			default:
				must = append(must, fault.SubscribeWiped, fault.PublisherWiped)
			}
			for _, p := range must {
				require.NotZero(t, visits[p], "the joiner does not come by %v", p)
			}
		})
	}
}

// amongTheDead lets somebody come to such a bus, to whom happens what spec says, and returns which
// points it came by, and how often.
func amongTheDead(t *testing.T, j job, spec string) map[fault.Point]uint64 {
	t.Helper()
	b := newBus(t, creation{Slots: 64, SlotSize: 128, Publishers: 6, Subscribers: 64, Topics: 64, Clients: j.Creation.Clients})
	waits, err := b.Publisher("living.1")
	require.NoError(t, err)
	refused, err := b.Publisher("living.2", bus.NoWait())
	require.NoError(t, err)
	for i, at := range []fault.Point{fault.PublishInFlight, fault.PublishExchanged} {
		w := start(t, job{Role: "victim publish", Bus: busName, ID: 20 + i, Topic: "v"}, func(c *exec.Cmd) { c.Env = append(c.Env, "SHMBUS_FAULT="+at.String()+"=kill") })
		w.EndExpected = true
		<-w.Ended
	}
	for range 62 { // so that those of the dead are taken
		s, err := b.Subscribe("nothing")
		require.NoError(t, err)
		defer runtime.KeepAlive(s)
	}
	for id := range 2 {
		dead := start(t, job{Role: "casualty", Bus: busName, ID: id, Topic: "v", Min: 40, Max: 40})
		dead.expect("ready")
		testload.Eventually(t, "the ring is not full", func() bool { return snapshot(t, b).Backlog >= 1 })
		dead.Kill()
	}

	file := filepath.Join(t.TempDir(), "report")
	j.Role, j.Bus, j.ID, j.Topic = "victim joiner", busName, 10, "v"
	w := start(t, j, func(c *exec.Cmd) { c.Env = append(c.Env, "SHMBUS_FAULT="+spec, "SHMBUS_FAULT_FILE="+file) })
	ctx, cancel := context.WithTimeout(context.Background(), testload.Patience())
	defer cancel()
	goesOn := []func(){
		func() {
			for n, err := 0, error(nil); n < 3*64; {
				if err = refused.PublishRaw(ctx, make([]byte, 40)); err == nil {
					n++
					continue
				}
				require.ErrorIs(t, err, bus.ErrFull, spec)
				require.NoError(t, ctx.Err(), "%s: %v", spec, err)
				time.Sleep(time.Millisecond)
			}
		},
		func() {
			for range 3 * 64 {
				require.NoError(t, waits.PublishRaw(ctx, make([]byte, 40)), spec)
			}
		},
	}
	if j.Batch > 0 {
		slices.Reverse(goesOn)
	}
	goOn := func() {
		for _, f := range goesOn {
			f()
		}
	}
	if spec == "" {
		w.expect("done")
	} else {
		testload.Eventually(t, "%s: nothing happens", func() bool { return w.Stopped() || !w.Running() }, spec)
	}
	goOn()
	w.Kill()
	goOn()
	r, err := fault.ReadReport(file)
	require.NoError(t, err)
	_, err = b.Reap()
	require.NoError(t, err)
	balance(t, b)
	require.NoError(t, b.Close())
	require.NoError(t, bus.Remove(busName))
	return r.Visits
}
