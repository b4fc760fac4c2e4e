package bus

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/internal/inspect"
	"shmbus/layout"
)

// forward moves the ring on by laps, as that many messages like those of the last lap would:
// entries, positions in slots, certified position, and the positions of those who sleep. The head
// is at the beginning of a lap, and nobody publishes.
func forward(t testing.TB, b *Bus, laps uint64) {
	t.Helper()
	seg, slots := b.seg, uint64(b.seg.Map.Geometry.Slots)
	head := b.ring.Head()
	require.Zero(t, head%slots)
	shift := uint(0)
	for 1<<shift < slots {
		shift++
	}
	to := head + laps*slots
	for i := range slots {
		w := seg.Word(seg.Map.Entries.At(int(i)))
		e := layout.Entry(atomic.LoadUint64(w))
		p := to - slots + i
		atomic.StoreUint64(seg.Word(seg.Map.Slots.At(int(e.Slot()))), p)
		atomic.StoreUint64(w, uint64(layout.MakeEntry(layout.LapOf(p, shift), e.Tag(), e.Slot())))
	}
	for s := range b.seg.Map.Geometry.Subscribers {
		w := seg.Sub(s, layout.SubWake)
		if was := layout.Wake(atomic.LoadUint64(w)); was.State() == layout.Asleep && !was.IsNotYet() {
			atomic.CompareAndSwapUint64(w, uint64(was), uint64(layout.MakeWake(to, was.Generation(), layout.Asleep)))
		}
	}
	atomic.StoreUint64(seg.Header(layout.HeaderCertified), to)
	require.Equal(t, to, b.ring.Head())
}

// sleepsFor are numbers of laps after which those who slept look at entries of another time: the
// laps of entries have 32 bits, and their order is known for half of them.
var sleepsFor = []uint64{1, 1000, 1<<31 - 1, 1 << 31, 1<<31 + 1, 1<<31 + 1000, 1<<32 - 1, 1 << 32, 1<<32 + 1, 1<<33 + 1<<31}

func eachSleep(t *testing.T, f func(t *testing.T, laps uint64)) {
	for _, laps := range sleepsFor {
		t.Run(fmt.Sprintf("laps=%#x", laps), func(t *testing.T) { f(t, laps) })
	}
}

// lap publishes one lap.
func lap(t testing.TB, b *Bus, p *Publisher) {
	for range b.seg.Map.Geometry.Slots {
		require.NoError(t, p.PublishRaw(context.Background(), []byte{0xc0}))
	}
}

// A publisher that was idle publishes what it is given, once each, at the head.
func TestPublisherIsIdleForLaps(t *testing.T) {
	ways := map[string]func(p *Publisher, frame []byte) error{
		"PublishRaw": func(p *Publisher, frame []byte) error { return p.PublishRaw(context.Background(), frame) },
		"PublishBatch": func(p *Publisher, frame []byte) error {
			_, err := p.PublishBatch(context.Background(), [][]byte{frame})
			return err
		},
		"Reserve": func(p *Publisher, frame []byte) error {
			r, err := p.Reserve(len(frame))
			if err != nil {
				return err
			}
			copy(r.Bytes(), frame)
			return r.Commit(context.Background())
		},
	}
	for name, publish := range ways {
		for _, at := range []int{0, 1, 7} { // of its lap, when it stops
			t.Run(fmt.Sprintf("%s at %d", name, at), func(t *testing.T) {
				eachSleep(t, func(t *testing.T, laps uint64) {
					b := newBus(t, WithSlots(8), WithSlotSize(64))
					rare, busy := publisher(t, b, "rare"), publisher(t, b, "busy")
					for range 8 + at {
						require.NoError(t, rare.PublishRaw(context.Background(), []byte{0xc0}))
					}
					for range 8 - at {
						require.NoError(t, busy.PublishRaw(context.Background(), []byte{0xc0}))
					}
					forward(t, b, laps)
					now := subscribe(t, b, ">")
					for i := range 20 {
						head := b.ring.Head()
						require.NoError(t, publish(rare, []byte{byte(i)}))
						require.Equal(t, head+1, b.ring.Head())
						m, err := now.TryNext()
						require.NoError(t, err)
						require.Equal(t, []any{"rare", head, byte(i)}, []any{m.Topic, m.Position, m.Raw[0]})
					}
					books := b.ring.Audit()
					require.True(t, books.Balanced(), "%+v", books)
				})
			})
		}
	}
}

// A subscription that was not read says exactly what it lost, and goes on, whatever the entries
// look like, which topic they are of, and whoever reads.
func TestSubscriptionIsIdleForLaps(t *testing.T) {
	observer := func(t *testing.T, b *Bus, pattern string, opts ...SubscribeOption) *Subscription {
		s, err := observe(t, b).Subscribe(pattern, opts...)
		require.NoError(t, err)
		return s
	}
	client := func(t *testing.T, b *Bus, pattern string, opts ...SubscribeOption) *Subscription {
		return subscribe(t, b, pattern, opts...)
	}
	for who, sub := range map[string]func(*testing.T, *Bus, string, ...SubscribeOption) *Subscription{"client": client, "observer": observer} {
		for _, pattern := range []string{">", "busy", "rare"} {
			for _, at := range []uint64{0, 3, 8} { // positions that it has read before
				t.Run(fmt.Sprintf("%s of %s at %d", who, pattern, at), func(t *testing.T) {
					eachSleep(t, func(t *testing.T, laps uint64) {
						b := newBus(t, WithSlots(8), WithSlotSize(64))
						busy, rare := publisher(t, b, "busy"), publisher(t, b, "rare")
						s := sub(t, b, pattern)
						lap(t, b, busy)
						for s.Position() < at {
							if _, err := s.TryNext(); errors.Is(err, ErrEmpty) {
								break // it reads no further at once
							}
						}
						from := s.Position()
						forward(t, b, laps)
						head := b.ring.Head()
						for range 3 {
							require.NoError(t, rare.PublishRaw(context.Background(), []byte{0xc1}))
						}

						// Every position is passed over or lost, in order.
						got, lost := 0, uint64(0)
						for {
							m, err := s.TryNext()
							var l *LossError
							switch {
							case errors.As(err, &l):
								require.Equal(t, l.To-l.From, l.Count)
								require.GreaterOrEqual(t, l.From, from)
								lost += l.Count
								continue
							case errors.Is(err, ErrEmpty):
							default:
								require.NoError(t, err)
								require.GreaterOrEqual(t, m.Position, head-8)
								got++
								continue
							}
							break
						}
						require.Equal(t, head+3, s.Position())
						require.Equal(t, lost, s.Stats().Lost)
						require.GreaterOrEqual(t, lost, head-5-from, "what is not in the ring any more was lost")
						require.LessOrEqual(t, lost, head+3-from)
						switch pattern {
						case ">":
							require.EqualValues(t, head+3-from, lost+uint64(got))
						case "rare":
							require.Equal(t, 3, got)
						}
					})
				})
			}
		}
	}
}

// A position that was lost long ago is lost, wherever its entry seems to stand now.
func TestFromPositionOfLapsAgo(t *testing.T) {
	eachSleep(t, func(t *testing.T, laps uint64) {
		b := newBus(t, WithSlots(8), WithSlotSize(64))
		lap(t, b, publisher(t, b, "a"))
		forward(t, b, laps)
		head := b.ring.Head()
		observed, err := observe(t, b).Subscribe(">", FromPosition(1))
		require.NoError(t, err)
		for _, s := range []*Subscription{subscribe(t, b, ">", FromPosition(1)), observed} {
			_, err := s.TryNext()
			var l *LossError
			require.ErrorAs(t, err, &l)
			require.Equal(t, LossError{From: 1, To: head - 8, Count: head - 9}, *l)
			m, err := s.TryNext()
			require.NoError(t, err)
			require.Equal(t, head-8, m.Position)
		}
		require.Equal(t, head-8, subscribe(t, b, ">", FromOldest()).Position())
	})
}

// One that sleeps meanwhile is certified past all of it: it loses nothing, and holds nobody.
func TestSleeperIsCertifiedForLaps(t *testing.T) {
	for name, opts := range map[string][]SubscribeOption{"lossy": nil, "reliable": {Reliable()}, "from a position": {FromPosition(3)}} {
		t.Run(name, func(t *testing.T) {
			eachSleep(t, func(t *testing.T, laps uint64) {
				b := newBus(t, WithSlots(8), WithSlotSize(64))
				busy, rare := publisher(t, b, "busy"), publisher(t, b, "rare")
				lap(t, b, busy)
				s := subscribe(t, b, "rare", append([]SubscribeOption{Wait(Block)}, opts...)...)
				received := make(chan error)
				var m Message
				next := func() { var err error; m, err = s.Next(soon(t)); received <- err }
				for i := range 2 {
					go next()
					eventually(t, "asleep, and certified", func() bool {
						w := layout.Wake(atomic.LoadUint64(b.seg.Sub(s.index, layout.SubWake)))
						return asleep(t, b, 1)() && !w.IsNotYet()
					})
					forward(t, b, laps)
					head := b.ring.Head()
					snap, err := b.Snapshot()
					require.NoError(t, err)
					require.Equal(t, head, snap.Subscribers[0].Position)
					damage, err := inspect.Examine(b.ShmID())
					require.NoError(t, err)
					require.Empty(t, damage)
					for range 16 { // a publisher is not held, and certifies on its way
						require.NoError(t, busy.PublishRaw(soon(t), []byte{0xc0}))
					}
					require.NoError(t, rare.PublishRaw(soon(t), []byte{byte(i)}))
					require.NoError(t, <-received)
					require.Equal(t, []any{head + 16, byte(i)}, []any{m.Position, m.Raw[0]})
					require.Zero(t, s.Stats().Lost)
					for range 7 {
						require.NoError(t, busy.PublishRaw(soon(t), []byte{0xc0}))
					}
				}
			})
		})
	}
}

// A wake word holds the low 46 bits of a position. Before a sleeper's cursor is too far behind to
// tell the others from them, it is woken.
func TestSleeperIsNotMovedTooFar(t *testing.T) {
	const maxSleep = 1 << 44 // of package sleep
	b := newBus(t, WithSlots(8), WithSlotSize(64))
	busy, rare := publisher(t, b, "busy"), publisher(t, b, "rare")
	s := subscribe(t, b, "rare", Reliable(), Wait(Block))
	lap(t, b, busy)
	received := make(chan error)
	var m Message
	go func() { var err error; m, err = s.Next(soon(t)); received <- err }()
	sleeps := func() uint64 { return atomic.LoadUint64(b.seg.Sub(s.index, layout.SubSleeps)) }
	settled := func() bool {
		return asleep(t, b, 1)() && !layout.Wake(atomic.LoadUint64(b.seg.Sub(s.index, layout.SubWake))).IsNotYet()
	}
	for i := range uint64(9) { // 2.25 times round the 46 bits
		eventually(t, "asleep", settled)
		before := sleeps()
		forward(t, b, ((i+1)*maxSleep-8-b.ring.Head())/8) // others moved it so far
		for range 24 {
			require.NoError(t, busy.PublishRaw(soon(t), []byte{0xc0}))
		}
		eventually(t, "woken once, and asleep again", func() bool { return sleeps() == before+1 && settled() })
		require.Equal(t, (i+1)*maxSleep+16, b.ring.Head())
	}
	head := b.ring.Head()
	require.NoError(t, rare.PublishRaw(soon(t), []byte{1}))
	require.NoError(t, <-received)
	require.Equal(t, head, m.Position)
	require.Zero(t, s.Stats().Lost)
	require.Equal(t, head+1, s.Position())
}
