package bus

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/layout"
)

// Who certifies moves a sleeper that has missed nothing, and wakes any other.
func TestCertifiedOrWoken(t *testing.T) {
	for name, c := range map[string]struct {
		looked bool   // the sleeper has taken its last look
		from   uint64 // where
		missed bool   // somebody has published for it, and woken nobody
		n      uint64 // up to which is certified
		state  uint8  // of the wake word afterwards
		at     uint64 // its position
	}{
		"nothing for it":             {looked: true, n: 5, state: layout.Asleep, at: 5},
		"no last look yet":           {n: 5, state: layout.Notified, at: layout.NotYet},
		"a message for it":           {looked: true, missed: true, n: 5, state: layout.Notified},
		"a position that means none": {looked: true, from: layout.NotYet - 5, n: layout.NotYet, state: layout.Asleep, at: layout.NotYet - 5},
		"the one after":              {looked: true, from: layout.NotYet + 1, n: layout.NotYet + 6, state: layout.Asleep, at: layout.NotYet + 6},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBus(t, WithSlots(64))
			wanted, other := publisher(t, b, "wanted"), publisher(t, b, "other")
			s := subscribe(t, b, "wanted")
			s.sleeper.fallAsleep()
			atomic.OrUint64(b.seg.Header(layout.HeaderSleepers), 1<<s.index)
			if c.looked {
				s.sleeper.lookedAt(c.from)
			}
			if c.missed {
				wanted.ring.Fill(0, []byte{1})
				wanted.ring.Rescan()
				require.Zero(t, wanted.ring.Exchange(wanted.whole+1, wanted.tag))
			}
			certify(b.seg, c.n, other.ring.Index())
			w := layout.Wake(atomic.LoadUint64(s.sleeper.word))
			require.Equal(t, c.state, w.State())
			if c.at == layout.NotYet {
				require.True(t, w.IsNotYet())
				return
			}
			require.False(t, w.IsNotYet())
			require.Equal(t, c.at, w.Position(c.at))
		})
	}
}

// A publisher that looks for room in the middle of a frame has woken for its first fragment: it certifies for all but itself, and would move
// a sleeper past what it has published already.
func TestNobodyIsCertifiedIntoAFrame(t *testing.T) {
	b := newBus(t, WithSlots(64), WithSlotSize(64))
	ctx := soon(t)
	p := publisher(t, b, "a")
	s := subscribe(t, b, "a", WaitWith(Block))
	frame := make([]byte, 31*40)
	for range 5 {
		for range 20 { // every half lap a publisher looks for room
			require.NoError(t, p.PublishRaw(ctx, []byte{1}))
			_, err := s.Next(ctx)
			require.NoError(t, err)
		}
		var m Message
		got := make(chan error)
		go func() { var err error; m, err = s.Next(ctx); got <- err }()
		eventually(t, "asleep", soundAsleep(t, b))
		require.NoError(t, p.PublishRaw(ctx, frame))
		require.NoError(t, <-got)
		require.Equal(t, frame, m.Raw)
	}
}
