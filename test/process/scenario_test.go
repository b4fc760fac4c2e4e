//go:build linux && faults

package process

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/fault"
	"shmbus/internal/testload"
	"shmbus/layout"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// A scenario is what a victim does, and what goes on around it.
type scenario struct {
	name, role string
	job        job
	alone      bool                          // nobody else on the stage clears what the dead leave
	others     func(*stage, *struck, string) // what others can do after an action with the bus that it is about
	anyDeaths  bool                          // others die, too
	elsewhere  bool                          // the victim's deaths are another bus's
	only       []string                      // actions; nil: all
	also       []fault.Point                 // at which its victims are struck though those of another scenario are
	before     func(*stage)
	around     func(*stage, *struck) (stop func())
}

var scenarios = []*scenario{
	{name: "publish", role: "publish"},
	{name: "publish, while others do", role: "contend"},
	{name: "publish in batches", role: "batch", job: job{Batch: 40}, also: []fault.Point{
		fault.PublishEntered, fault.PublishFilled, fault.PublishIntended, fault.PublishInFlight, fault.PublishExchanged, fault.PublishSettled,
		fault.PublishCounted, fault.PublishFragment, fault.PublishDone, fault.RoomLooked,
		fault.WakeClaimed, fault.WakePosted, fault.WakeNotified, fault.CertifyLooked, fault.CertifyMoved, fault.CertifyWoken, fault.CertifyDone,
	}},
	{name: "publish on changing topics", role: "change", also: []fault.Point{
		fault.PublishExchanged, fault.PublishCounted, fault.PublishDone, fault.PublisherTopic, fault.PublisherAnnounced,
	}},
	{name: "receive, reliably", role: "receive", job: job{Patterns: []string{">"}, Policy: "reliable"}, only: []string{"kill", "stall"}},
	{name: "receive, until evicted", role: "receive", job: job{Patterns: []string{">"}, Policy: "evict", Patience: 20 * time.Millisecond}, only: []string{"stop"}},
	{name: "receive in batches", role: "collect", job: job{Patterns: []string{">"}, Policy: "reliable", Batch: 30}, only: []string{"kill", "stall"}, also: []fault.Point{
		fault.ReceiveEntered, fault.ReceivePeeked, fault.ReceiveCopied, fault.ReceiveTaken, fault.SleepPosition, fault.SleepCursor, fault.SleepOver,
	}},
	{name: "wait for room", role: "room"},
	{name: "take over from the dead", role: "adopt", alone: true, anyDeaths: true, before: killInFlight},
	{name: "wait at the gates of the dead", role: "contend", alone: true, anyDeaths: true, around: killOthers},
	{name: "clear what the dead leave", role: "watch", job: job{Count: 4}, alone: true, anyDeaths: true, around: killOthers},
	{name: "hear the bell at its limit", role: "watch", job: job{Count: 1}, alone: true, anyDeaths: true, before: raiseBell, around: killOthers},
	{name: "create and remove", role: "create", others: createOther, elsewhere: true, also: []fault.Point{
		fault.JoinLives, fault.JoinAlone, fault.JoinFilled, fault.JoinJoined, fault.LeaveState, fault.LeaveLife, fault.LeaveDetach,
	}},
	{name: "create after the dead", role: "create", before: killCreator, others: createOther, elsewhere: true},
	{name: "lose the bus", role: "lose", alone: true, anyDeaths: true, before: makeOther, around: takeOther, others: loseOther},
	{name: "write a lost key file again", role: "restore", alone: true, elsewhere: true, before: makeOther, others: restoreOther},
}

// actions are what can happen at a point.
var actions = []string{"kill", "stop", "stall"}

// actions returns those that the scenario's victim is struck by.
func (sc *scenario) actions() []string {
	if sc.only != nil {
		return sc.only
	}
	return actions
}

// casualty starts a process that is going to die.
func (st *stage) casualty(role string, change ...func(*exec.Cmd)) *worker {
	w := start(st.t, job{Role: role, Bus: busName, ID: st.nextID, Topic: "v", Min: 40, Max: 40}, change...)
	st.nextID++
	return w
}

// killOthers kills processes that hold the ring full, one after the other, until it is told to
// stop.
func killOthers(st *stage, v *struck) func() {
	if st.sc.role == "watch" {
		// Those that died before it listens are not news to it. A victim may be struck before.
		v.Await("watching", 2*time.Second)
	}
	done := make(chan struct{})
	var over sync.WaitGroup
	over.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			w := st.casualty("casualty")
			if _, err := w.Await("ready", testload.Patience()); err != nil {
				st.t.Error(err)
			}
			time.Sleep(2 * time.Millisecond) // the ring fills up
			w.Kill()
		}
	})
	var once sync.Once
	return func() { once.Do(func() { close(done); over.Wait() }) }
}

// killInFlight kills processes in the middle of an exchange, and one that subscribes, and leaves
// their records as they are.
func killInFlight(st *stage) {
	w := st.casualty("casualty")
	w.expect("ready")
	w.Kill()
	for _, p := range []fault.Point{fault.PublishInFlight, fault.PublishExchanged} {
		w := st.casualty("victim publish", func(c *exec.Cmd) { c.Env = append(c.Env, "SHMBUS_FAULT="+p.String()+"=kill") })
		<-w.Ended
		w.Kill()
	}
}

// killCreator kills a process that has made all of a bus but the last step.
func killCreator(st *stage) {
	w := st.casualty("victim create", func(c *exec.Cmd) { c.Env = append(c.Env, "SHMBUS_FAULT="+fault.CreateFormatted.String()+"=kill") })
	<-w.Ended
	w.Kill()
}

// createOther checks that a bus somebody is creating or removing can be used, created and removed
// by others as soon as that one is dead, and that they get an error in time while it is only
// stopped. One that was complete is used, and whoever died as its client is counted there; of one
// that was not, nothing is left.
func createOther(st *stage, v *struck, action string) {
	t, at := st.t, st.ref.at
	t.Helper()
	switch action {
	case "kill":
		b, made, err := bus.OpenOrCreate(otherName, bus.WithSlots(64))
		require.NoError(t, err, at)
		require.Equal(t, made, !visited(t, v, fault.CreateReady) || visited(t, v, fault.RemoveMarked), "%s: made anew", at)
		_, err = b.Reap()
		require.NoError(t, err, at)
		s := snapshot(t, b)
		require.Equal(t, count(!made && !visited(t, v, fault.LeaveState)), s.Deaths, "%s: deaths on the other bus, made anew: %v", at, made)
		require.Len(t, s.Clients, 1, "%s: %+v", at, s.Clients)
		balance(t, b)
		require.NoError(t, b.Close())
		require.NoError(t, bus.Remove(otherName), at)
	case "stop":
		began := time.Now()
		b, err := bus.Open(otherName)
		if err == nil {
			b.Close()
		} else {
			require.True(t, errors.Is(err, bus.ErrNotFound) || errors.Is(err, bus.ErrIncomplete) || errors.Is(err, bus.ErrRemoved) || errors.Is(err, bus.ErrNotABus), "%s: %v", at, err)
		}
		require.Less(t, time.Since(began), 10*time.Second, at)
	}
}

// makeOther makes a bus that is going to be taken away, with another handle to it.
func makeOther(st *stage) {
	if st.second != nil {
		st.second.Close()
		bus.Remove(otherName)
	}
	var err error
	st.second, err = bus.Create(otherName, bus.WithSlots(64))
	require.NoError(st.t, err)
}

// takeOther removes that bus's segment by its identifier, as soon as the victim sleeps, or a second
// later. Its semaphores are not touched.
func takeOther(st *stage, v *struck) func() {
	second := st.second
	done := make(chan struct{})
	go func() {
		defer close(done)
		for began := time.Now(); time.Since(began) < time.Second; time.Sleep(time.Millisecond) {
			if s, err := second.Snapshot(); err != nil || len(s.Subscribers) > 0 && s.Subscribers[0].Asleep {
				break
			}
		}
		sysvshm.FromID(second.ShmID()).Remove()
	}()
	return func() { <-done }
}

// loseOther checks that everybody who waits on that bus learns that it is gone, and that the next
// can make it again.
func loseOther(st *stage, v *struck, _ string) {
	t, at := st.t, st.ref.at
	t.Helper()
	// The victim may have been struck before anything was taken away.
	sysvshm.FromID(st.second.ShmID()).Remove()
	s, err := st.second.Subscribe(">")
	if err == nil {
		_, err = s.Next(deadline(t))
	}
	require.ErrorIs(t, err, bus.ErrRemoved, at)
	createOther(st, v, "kill")
}

// restoreOther checks that a bus whose key file somebody was writing again is found as soon as that
// one is dead, and that those who look for it get an answer in time while it is only stopped.
func restoreOther(st *stage, _ *struck, action string) {
	t, at := st.t, st.ref.at
	t.Helper()
	if action == "kill" {
		s, err := st.second.Subscribe(">")
		require.NoError(t, err, at)
		ctx, stop := context.WithCancel(t.Context())
		var over sync.WaitGroup
		over.Go(func() { s.Next(ctx) }) // while it waits it looks
		defer func() { stop(); over.Wait(); s.Close() }()
		testload.Eventually(t, "%s: the bus is not found again", func() bool {
			b, err := bus.Open(otherName)
			return err == nil && b.Close() == nil
		}, at)
	}
	began := time.Now()
	b, err := bus.Open(otherName)
	if err == nil {
		require.Equal(t, st.second.UUID(), b.UUID(), at)
		b.Close()
	} else {
		require.True(t, errors.Is(err, bus.ErrNotFound) || errors.Is(err, bus.ErrIncomplete), "%s: %v", at, err)
	}
	require.Less(t, time.Since(began), 10*time.Second, at)
}

// raiseBell brings the death bell close to where it is taken down, as very many deaths would.
func raiseBell(st *stage) {
	set := sysvsem.FromID(st.bus.SemID())
	v, err := set.GetVal(layout.SemBell)
	require.NoError(st.t, err)
	if v < 16383 {
		require.NoError(st.t, set.TryOp([]sysvsem.Op{{Num: layout.SemBell, Op: int16(16383 - v)}}))
	}
}

// A reference receives all that victims publish, and knows what must have arrived.
type reference struct {
	at string // what happens just now

	cancel context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	seqs map[string]uint64
	all  uint64
	seen uint64
}

func newReference(t *testing.T, b *bus.Bus) *reference {
	s, err := b.Subscribe(">", bus.Reliable(), bus.Wait(bus.Yield))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ref := &reference{cancel: cancel, done: make(chan struct{}), seqs: make(map[string]uint64), seen: s.Position()}
	go func() {
		defer close(ref.done)
		defer s.Close()
		var m bus.Message
		for {
			if err := s.Receive(ctx, &m); err != nil {
				if ctx.Err() == nil {
					t.Errorf("%s: %v", ref.at, err)
				}
				return
			}
			ref.take(t, &m)
		}
	}()
	return ref
}

func (ref *reference) take(t *testing.T, m *bus.Message) {
	ref.mu.Lock()
	defer ref.mu.Unlock()
	ref.seen = m.Position + 1
	if !strings.HasPrefix(m.Topic, "v.") {
		return
	}
	v := victim{}
	if err := v.verify(m); err != nil {
		t.Errorf("%s: %v", ref.at, err)
	}
	ref.seqs[m.Topic]++
	ref.all++
}

func (ref *reference) position() uint64 {
	ref.mu.Lock()
	defer ref.mu.Unlock()
	return ref.seen
}

func (ref *reference) count(id int) uint64 {
	ref.mu.Lock()
	defer ref.mu.Unlock()
	return ref.seqs["v."+itoa(id)]
}

func (ref *reference) total() uint64 {
	ref.mu.Lock()
	defer ref.mu.Unlock()
	return ref.all
}

func (ref *reference) stop() {
	ref.cancel()
	<-ref.done
}
