package sleep

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/internal/segment/segtest"
	"shmbus/layout"
)

// A certifier moves a sleeper that has missed nothing, and wakes any other.
func TestCertifiedOrWoken(t *testing.T) {
	for name, c := range map[string]struct {
		looked bool   // the sleeper has taken its last look
		from   uint64 // where
		missed bool   // somebody has published for it, and woken nobody
		n      uint64 // up to which is certified
		state  uint8  // of the wake word afterwards
		at     uint64 // its position
	}{
		"nothing for it":   {looked: true, n: 5, state: layout.Asleep, at: 5},
		"no last look yet": {n: 5, state: layout.Notified, at: layout.NotYet},
		"a message for it": {looked: true, missed: true, n: 5, state: layout.Notified},
		"a position that means none": {
			looked: true, from: layout.NotYet - 5, n: layout.NotYet,
			state: layout.Asleep, at: layout.NotYet - 5,
		},
		"the one after": {
			looked: true, from: layout.NotYet + 1, n: layout.NotYet + 6,
			state: layout.Asleep, at: layout.NotYet + 6,
		},
	} {
		t.Run(name, func(t *testing.T) {
			const client, subscriber, publisher, self, wanted = 1, 3, 0, 1, 0
			seg := segtest.New(t)
			owner := layout.MakeOwner(client, 1, layout.OwnerHeld)
			atomic.StoreUint64(seg.Sub(subscriber, layout.SubOwner), uint64(owner))
			seg.RaiseHigh(layout.HeaderSubHigh, subscriber)
			atomic.StoreUint64(&seg.Interest(wanted)[0], 1<<subscriber)
			seg.RaiseHigh(layout.HeaderPubHigh, self)
			atomic.StoreUint64(seg.Pub(publisher, layout.PubTopic), wanted+1)
			if c.missed { // one that was about to publish at position 0
				atomic.StoreUint64(seg.Pub(publisher, layout.PubIntent), 1)
			}
			s := NewSubscriber(NewParker(seg, client), subscriber)
			s.FallAsleep()
			if c.looked {
				s.LookedAt(c.from)
			}
			require.NoError(t, Certify(seg, c.n, self))
			w := layout.Wake(atomic.LoadUint64(s.word))
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
