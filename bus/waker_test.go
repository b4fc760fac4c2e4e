package bus

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/internal/sleep"
	"shmbus/layout"
	"shmbus/ring"
)

// wakeOf returns the state of a wake word.
func wakeOf(word *uint64) uint8 { return layout.Wake(atomic.LoadUint64(word)).State() }

// Whichever way a message is published, it wakes who sleeps and wants it.
func TestEveryWayOfPublishingWakes(t *testing.T) {
	ctx := soon(t)
	for name, publish := range map[string]func(b *Bus, p *Publisher) error{
		"raw":   func(_ *Bus, p *Publisher) error { return p.PublishRaw(ctx, []byte{1}) },
		"value": func(_ *Bus, p *Publisher) error { return p.Publish(ctx, 1) },
		"batch": func(_ *Bus, p *Publisher) error { _, err := p.PublishBatch(ctx, [][]byte{{1}}); return err },
		"large": func(_ *Bus, p *Publisher) error { return p.PublishRaw(ctx, make([]byte, 1000)) },
		"place": func(_ *Bus, p *Publisher) error {
			r, err := p.Reserve(1)
			if err != nil {
				return err
			}
			return r.Commit(ctx)
		},
		"no publisher": func(b *Bus, _ *Publisher) error { return b.PublishRaw(ctx, "a", []byte{1}) },
	} {
		for form, options := range map[string][]PublishOption{"safe": nil, "exclusive": {Exclusive()}} {
			t.Run(name+"/"+form, func(t *testing.T) {
				b := newBus(t, WithSlots(64), WithSlotSize(256))
				p := publisher(t, b, "a", options...)
				s := subscribe(t, b, "a", Wait(Block))
				got := make(chan error)
				for range 3 { // the first goes the long way, to look at the gates
					go func() { _, err := s.Next(ctx); got <- err }()
					eventually(t, "asleep", soundAsleep(t, b))
					require.NoError(t, publish(b, p))
					require.NoError(t, <-got)
				}
			})
		}
	}
}

// A subscription that is cut off in its sleep is woken to learn it, since no message will.
func TestEvictedInItsSleep(t *testing.T) {
	b := newBus(t, WithSlots(64))
	ctx := soon(t)
	s := subscribe(t, b, "quiet", EvictAfter(time.Millisecond), Wait(Block))
	p := publisher(t, b, "busy")
	got := make(chan error)
	go func() { _, err := s.Next(ctx); got <- err }()
	eventually(t, "asleep", soundAsleep(t, b))
	// Nobody certifies it: as if it had been stopped before anybody could know that it sleeps.
	atomic.StoreUint64(b.seg.Header(layout.HeaderSleepers), 0)
	for range 65 {
		require.NoError(t, p.PublishRaw(ctx, []byte{1}))
	}
	var evicted *EvictedError
	require.ErrorAs(t, <-got, &evicted)
}

// A subscription that goes to sleep wakes the publishers that wait for room: it has moved, perhaps
// not by half a lap.
func TestSleeperWakesTheBlockedFirst(t *testing.T) {
	b := newBus(t, WithSlots(64))
	s := subscribe(t, b, ">", Reliable(), Wait(Block))
	p := publisher(t, b, "a")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	block := func() {
		p.sleeper.FallAsleep()
	}
	for name, step := range map[string]func(){
		"before it sleeps":           func() { s.sleep(ended) },
		"when there is nothing left": func() { s.TryNext() },
		"when it begins to wait":     func() { s.waitFor(ended, new(Message), false) },
	} {
		block()
		step()
		require.Equal(t, uint8(layout.Notified), wakeOf(b.seg.Pub(p.Index(), layout.PubWake)), name)
	}
	block()
	require.NoError(t, s.Close())
	require.Equal(t, uint8(layout.Notified), wakeOf(b.seg.Pub(p.Index(), layout.PubWake)), "when it leaves")
}

// A subscriber that is awake, has left or is dead has no bit among the sleepers and no interest:
// otherwise publishers would look at its record for each of their messages.
func TestNobodyWhoIsGoneIsLookedAt(t *testing.T) {
	var b *Bus
	if !inChild() {
		b = newBus(t, WithSlots(64))
	}
	kill := child(t, b, func(h *Bus, say func(string)) {
		s, _ := h.Subscribe("a", Wait(Block))
		go s.Next(context.Background())
		for h.member.Parker == nil || !asleep(t, h, 1)() {
			time.Sleep(time.Millisecond)
		}
		say("ready")
	})
	ctx := soon(t)
	sleepers := b.seg.Header(layout.HeaderSleepers)
	p := publisher(t, b, "a")
	eventually(t, "the child sleeps, and wants the topic", func() bool {
		return atomic.LoadUint64(sleepers) != 0 && atomic.LoadUint64(&p.interest[0]) != 0
	})
	kill()
	_, err := b.Reap()
	require.NoError(t, err)
	require.Zero(t, atomic.LoadUint64(sleepers), "it is dead")
	require.Zero(t, atomic.LoadUint64(&p.interest[0]))

	s := subscribe(t, b, "a", Wait(Block))
	got := make(chan error)
	go func() { _, err := s.Next(ctx); got <- err }()
	eventually(t, "asleep", soundAsleep(t, b))
	require.NoError(t, p.PublishRaw(ctx, []byte{1}))
	require.NoError(t, <-got)
	require.Zero(t, atomic.LoadUint64(sleepers), "it is awake")
	require.NoError(t, s.Close())
	require.Zero(t, atomic.LoadUint64(&p.interest[0]), "it has left")
}

// soundAsleep returns the condition that the handle's one sleeper waits in the kernel, and looks at
// its wake word only when its semaphore is posted.
func soundAsleep(t testing.TB, b *Bus) func() bool {
	t.Helper()
	inBed := asleep(t, b, 1)
	return func() bool {
		n, err := b.seg.Set.GetNCnt(int(layout.SemSleep(b.member.Owner.Client())))
		require.NoError(t, err)
		return n == 1 && inBed()
	}
}

// A client that has claimed a sleeper may be stopped before it posts. So others post for it: a
// publisher of what the sleeper wants, and each certifier, because a claimed sleeper is not moved
// any more and publishers would wait for it.
func TestClaimedSleeperIsPosted(t *testing.T) {
	for name, messages := range map[string]map[string]int{"publisher": {"wanted": 1}, "certifier": {"other": 200, "wanted": 1}} {
		t.Run(name, func(t *testing.T) {
			b := newBus(t, WithSlots(64))
			ctx := soon(t)
			p, wanted := publisher(t, b, "other"), publisher(t, b, "wanted")
			s := subscribe(t, b, "wanted", Wait(Block), Reliable())
			got := make(chan error)
			go func() { _, err := s.Next(ctx); got <- err }()
			eventually(t, "asleep", soundAsleep(t, b))
			w := layout.Wake(atomic.LoadUint64(b.seg.Sub(s.index, layout.SubWake)))
			atomic.StoreUint64(b.seg.Sub(s.index, layout.SubWake), uint64(w.With(layout.Claimed)))
			for range messages["other"] {
				require.NoError(t, p.PublishRaw(ctx, []byte{1}))
			}
			require.NoError(t, wanted.PublishRaw(ctx, []byte{1}))
			require.NoError(t, <-got)
		})
	}
}

// A sleeper takes its last look once publishers can know that it sleeps: whatever came before keeps
// it awake.
func TestLastLook(t *testing.T) {
	for name, comes := range map[string]func(*testing.T, *Bus, *Subscription){
		"nothing":   nil,
		"a message": func(t *testing.T, b *Bus, _ *Subscription) { publisher(t, b, "a").PublishRaw(soon(t), []byte{1}) },
		"Close":     func(_ *testing.T, _ *Bus, s *Subscription) { s.alert.Or(closing) },
		"no bus":    func(_ *testing.T, b *Bus, _ *Subscription) { b.seg.Lost.Store(true) },
		"a removal": func(_ *testing.T, b *Bus, _ *Subscription) {
			atomic.StoreUint64(b.seg.Header(layout.HeaderState), layout.StateRemoved)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBus(t, WithSlots(64))
			publisher(t, b, "a")
			s := subscribe(t, b, "a")
			require.True(t, s.lastLook())
			if comes == nil {
				return
			}
			comes(t, b, s)
			slept := s.stats.Sleeps
			require.NoError(t, s.sleep(soon(t)))
			require.Equal(t, slept, s.stats.Sleeps)
			s.alert.And(^uint32(closing))
			b.seg.Lost.Store(false)
			atomic.StoreUint64(b.seg.Header(layout.HeaderState), layout.StateLive)
		})
	}
}

// A topic that comes between the two looks that a sleeper takes at the topics is seen by the
// second.
func TestTopicBeforeTheLastLook(t *testing.T) {
	b := newBus(t, WithSlots(64))
	s := subscribe(t, b, "a")
	s.in.Match()
	sleep.WakeUnmatched(b.seg, b.seg.Map.Geometry.Topics) // it is awake, and nobody will wake it for this one
	require.False(t, s.lastLook())
}

// Messages of so many laps later that their entries seem to be of the future are seen by the last
// look, too.
func TestLastLookAfterLaps(t *testing.T) {
	b := newBus(t, WithSlots(8))
	p := publisher(t, b, "a")
	s := subscribe(t, b, "a")
	lap(t, b, p)
	forward(t, b, 1<<31)
	_, st := s.cur.Peek()
	require.Equal(t, ring.Empty, st, "so it seems")
	require.False(t, s.lastLook())
}
